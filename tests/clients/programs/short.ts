// A short program with the client of OpenAPI Generator for typescript-fetch. Its argument is that of `consoles.py`.
import { AgentsApi, Configuration, ResponseError, RuntimeApi } from "./index";
import { AgentFromJSON } from "./models/Agent";
import { instanceOfAgentPowerBi } from "./models/AgentPowerBi";
import type { AgentCreate } from "./models/AgentCreate";
import type { AgentUpdate } from "./models/AgentUpdate";
import { PowerBiConfigFromJSON, type PowerBiConfig } from "./models/PowerBiConfig";
import { instanceOfRuntimeAgentDatabase } from "./models/RuntimeAgentDatabase";
import { instanceOfRuntimeAgentPowerBi } from "./models/RuntimeAgentPowerBi";
import { RuntimePowerBiConfigFromJSON } from "./models/RuntimePowerBiConfig";

declare const process: { argv: string[]; exit(code: number): never };

const given: Record<string, string> = JSON.parse(process.argv[2] ?? "");
const [writer, reader, runtime] = ["write", "read", "runtime"].map(
  (scope) => new Configuration({ basePath: given["address"], accessToken: given[scope] }),
);
const [writing, reading] = [new AgentsApi(writer), new AgentsApi(reader)];

function must(holds: boolean, found: unknown): asserts holds {
  if (!holds) throw new Error(JSON.stringify(found));
}

async function refused(sent: Promise<unknown>, status: number, code = ""): Promise<void> {
  const error: unknown = await sent.then(() => undefined, (reason: unknown) => reason);
  must(error instanceof ResponseError && error.response.status === status, error);
  must(!code || (await error.response.json()).code === code, code);
}

function newAgent(name: string): AgentCreate {
  const place = { dialect: "postgresql", host: "127.0.0.1", port: 1, database: "sales" };
  const connectionConfig = { ...place, username: "reader", password: "a password" };
  return { name, connectionType: "DB", connectionConfig } as AgentCreate;
}

async function readPowerBi(agentId: string): Promise<PowerBiConfig> {
  const agent = await reading.getAgent({ agentId });
  must(instanceOfAgentPowerBi(agent), agent);
  // The generated client leaves the configuration of an agent of any type as it is in JSON.
  return PowerBiConfigFromJSON(agent.connectionConfig);
}

// Reads an agent with Power BI, changes its configuration, writes it back, and reads it again.
async function changePowerBi(): Promise<void> {
  const [tenantId, clientId, workspaceId, datasetId] = [1, 2, 3, 4].map(() => crypto.randomUUID());
  const config = { tenantId, clientId, workspaceId, datasetId, clientSecret: "a secret of the app" };
  const agentCreate = { name: "Report", connectionType: "POWERBI", connectionConfig: config } as AgentCreate;
  const id = { agentId: (await writing.createAgent({ agentCreate })).id };
  const before = await readPowerBi(id.agentId);
  const kept = before as NonNullable<AgentUpdate["connectionConfig"]>;
  await writing.updateAgent({ ...id, agentUpdate: { connectionConfig: { ...kept, rowLimit: 7 } } });
  const place = { datasetId: crypto.randomUUID() };
  await refused(writing.updateAgent({ ...id, agentUpdate: { connectionConfig: place } }), 422, "invalid_input");
  const moving = { ...place, clientSecret: "another secret of the app" };
  await writing.updateAgent({ ...id, agentUpdate: { connectionConfig: moving } });
  const after = await readPowerBi(id.agentId);
  const changed = { ...place, dataset_id: place.datasetId, rowLimit: 7, row_limit: 7 };
  must(after.datasetId === place.datasetId && after.rowLimit === 7, after);
  must(JSON.stringify(after) === JSON.stringify({ ...before, ...changed }), [before, after]);
  const fetched = await new RuntimeApi(runtime).fetchAgentRuntime(id);
  must(instanceOfRuntimeAgentPowerBi(fetched), id);
  must(RuntimePowerBiConfigFromJSON(fetched.connectionConfig).clientSecret === moving.clientSecret, id);
  await writing.deleteAgent(id);
}

async function main(): Promise<void> {
  const [first] = [await writing.createAgent({ agentCreate: newAgent("First") })];
  for (const name of ["Second", "Third"]) await writing.createAgent({ agentCreate: newAgent(name) });
  const names: string[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await reading.listAgents({ limit: 2, cursor });
    names.push(...page.items.map((one) => one.name));
    if (page.nextCursor === null) break;
    cursor = page.nextCursor;
  }
  must(names.join() === "First,Second,Third", names);
  const id = { agentId: first.id };
  const read = await reading.getAgentRaw(id);
  const etag = read.raw.headers.get("ETag") ?? "";
  must((await read.value()).connectionType === "DB", read);
  await refused(reading.getAgent({ ...id, ifNoneMatch: etag }), 304);
  const change = { ...id, ifMatch: etag, agentUpdate: { owner: "Finance", connectionConfig: { rowLimit: 10 } } };
  const changed = await writing.updateAgent(change);
  must(changed.owner === "Finance" && changed.version === 2, changed);
  await refused(writing.updateAgent(change), 412, "stale");
  await refused(reading.deleteAgent(id), 403, "scope_missing");
  await refused(writing.getAgent({ agentId: given["foreign"] ?? "" }), 404, "not_found");
  const fetched = await new RuntimeApi(runtime).fetchAgentRuntime(id);
  must(instanceOfRuntimeAgentDatabase(fetched), fetched);
  // A later release adds members and connection types. This client takes both.
  const later = await (await reading.getAgentRaw(id)).raw.json();
  Object.assign(later, { connection_type: "LATER", connection_config: { path: "/" }, new_member: [1] });
  must(AgentFromJSON(later).connectionType === "LATER", later);
  await writing.deleteAgent(id);
  await refused(reading.getAgent(id), 404, "not_found");
  await changePowerBi();
  console.log("done");
}

main().catch((error: unknown) => {
  console.log(error);
  process.exit(1);
});
