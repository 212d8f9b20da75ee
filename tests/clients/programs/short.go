// A short program with the client of OpenAPI Generator for Go. Its argument is that of `consoles.py`.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	client "example.org/console/client"
)

type given struct{ Address, Read, Write, Foreign string }

func must(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func check(holds bool, found any) {
	if !holds {
		must(fmt.Errorf("%v", found))
	}
}

func as(token string) context.Context {
	return context.WithValue(context.Background(), client.ContextAccessToken, token)
}

// Create agents with the values that the constructor sets, and list them in pages.
func createAndList(api *client.AgentsAPIService, known given) string {
	names, cursor, id := []string{}, "", ""
	for _, name := range []string{"First", "Second", "Third"} {
		config := client.NewDatabaseConfigCreate(client.POSTGRESQL, "127.0.0.1", "sales", "reader")
		values := client.AgentCreate{AgentCreateDatabase: client.NewAgentCreateDatabase(name, "DB", *config)}
		saved, _, err := api.CreateAgent(as(known.Write)).AgentCreate(values).Execute()
		must(err)
		check(saved.SavedAgentDatabase != nil, name)
		id = saved.SavedAgentDatabase.Id
	}
	for {
		call := api.ListAgents(as(known.Read)).Limit(2).Status([]client.AgentStatus{client.ACTIVE, client.DISABLED})
		if cursor != "" {
			call = call.Cursor(cursor)
		}
		page, _, err := call.Execute()
		must(err)
		for _, one := range page.Items {
			names = append(names, one.Name)
		}
		if !page.NextCursor.IsSet() || page.NextCursor.Get() == nil {
			break
		}
		cursor = *page.NextCursor.Get()
	}
	check(fmt.Sprint(names) == "[First Second Third]", names)
	return id
}

// A later release adds members and connection types. This client takes both.
func readLaterRelease(api *client.AgentsAPIService, known given, id string) {
	_, response, err := api.GetAgent(as(known.Read), id).Execute()
	must(err)
	body, err := io.ReadAll(response.Body)
	must(err)
	later := map[string]any{}
	must(json.Unmarshal(body, &later))
	later["new_member"] = []int{1}
	agent := client.Agent{}
	text, _ := json.Marshal(later)
	must(json.Unmarshal(text, &agent))
	check(agent.AgentDatabase != nil && agent.AgentUnknown == nil, agent)
	later["connection_type"], later["connection_config"] = "LATER", map[string]any{"path": "/"}
	agent = client.Agent{}
	text, _ = json.Marshal(later)
	must(json.Unmarshal(text, &agent))
	check(agent.AgentUnknown != nil && agent.AgentDatabase == nil, agent)
}

func main() {
	known := given{}
	must(json.Unmarshal([]byte(os.Args[1]), &known))
	settings := client.NewConfiguration()
	settings.Servers = client.ServerConfigurations{{URL: known.Address}}
	api := client.NewAPIClient(settings).AgentsAPI
	id := createAndList(api, known)
	_, refused, err := api.GetAgent(as(known.Write), known.Foreign).Execute()
	check(err != nil && refused.StatusCode == 404, refused)
	readLaterRelease(api, known, id)
	fmt.Println("done")
}
