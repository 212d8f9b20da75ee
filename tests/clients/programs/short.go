// A short program with the client of OpenAPI Generator for Go. Its argument is that of `consoles.py`.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"

	client "example.org/console/client"
)

type given struct{ Address, Read, Write, Runtime, Foreign string }

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

func newUUID() string {
	b := make([]byte, 16)
	_, err := rand.Read(b)
	must(err)
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func readPowerBi(api *client.AgentsAPIService, known given, id string) *client.AgentPowerBi {
	agent, _, err := api.GetAgent(as(known.Read), id).Execute()
	must(err)
	check(agent.AgentPowerBi != nil && agent.AgentUnknown == nil, agent)
	return agent.AgentPowerBi
}

// Read an agent with Power BI, change its configuration, write it back, and read it again.
func changePowerBi(api *client.APIClient, known given) {
	agents := api.AgentsAPI
	config := client.NewPowerBiConfigCreate(newUUID(), newUUID(), newUUID(), newUUID())
	config.SetClientSecret("a secret of the app")
	values := client.AgentCreate{AgentCreatePowerBi: client.NewAgentCreatePowerBi("Report", "POWERBI", *config)}
	saved, _, err := agents.CreateAgent(as(known.Write)).AgentCreate(values).Execute()
	must(err)
	check(saved.SavedAgentPowerBi != nil, saved)
	id := saved.SavedAgentPowerBi.Id
	before := readPowerBi(agents, known, id)
	body, text := client.AgentUpdate{}, []byte{}
	text, err = json.Marshal(before)
	must(err)
	must(json.Unmarshal(text, &body))
	body.ConnectionConfig.SetRowLimit(7)
	_, _, err = agents.UpdateAgent(as(known.Write), id).AgentUpdate(body).Execute()
	must(err)
	moved := client.ConnectionConfigUpdate{}
	moved.SetDatasetId(newUUID())
	change := client.AgentUpdate{ConnectionConfig: &moved}
	_, refused, err := agents.UpdateAgent(as(known.Write), id).AgentUpdate(change).Execute()
	check(err != nil && refused.StatusCode == 422, refused)
	moved.SetClientSecret("another secret of the app")
	_, _, err = agents.UpdateAgent(as(known.Write), id).AgentUpdate(change).Execute()
	must(err)
	wanted := before.ConnectionConfig
	wanted.RowLimit, wanted.DatasetId = 7, *moved.DatasetId
	after := readPowerBi(agents, known, id)
	check(reflect.DeepEqual(after.ConnectionConfig, wanted), after)
	fetched, _, err := api.RuntimeAPI.FetchAgentRuntime(as(known.Runtime), id).Execute()
	must(err)
	check(fetched.RuntimeAgentPowerBi != nil, fetched)
	found := fetched.RuntimeAgentPowerBi.ConnectionConfig
	check(found.GetClientSecret() == moved.GetClientSecret(), found.DatasetId)
	// Without a note the generated client sends null, which counts as no body.
	_, err = agents.DeleteAgent(as(known.Write), id).Execute()
	must(err)
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
	all := client.NewAPIClient(settings)
	api := all.AgentsAPI
	id := createAndList(api, known)
	_, refused, err := api.GetAgent(as(known.Write), known.Foreign).Execute()
	check(err != nil && refused.StatusCode == 404, refused)
	changePowerBi(all, known)
	readLaterRelease(api, known, id)
	fmt.Println("done")
}
