// A program that uses the console with the types of openapi-typescript and the client openapi-fetch.
// Its argument is that of `consoles.py`.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

declare const process: { argv: string[]; exit(code: number): never };
type Schemas = components["schemas"];
type Given = { address: string; foreign: string; limit: number } & Record<"read" | "write" | "runtime" | "hasty", string>;
type Answer<T> = { data?: T; error?: unknown; response: Response };

const given: Given = JSON.parse(process.argv[2] ?? "");
const [writer, reader, runtime, hasty, unknown] = [given.write, given.read, given.runtime, given.hasty, "agc_wrong"].map(
  (token) => createClient<paths>({ baseUrl: given.address, headers: { Authorization: `Bearer ${token}` } }),
) as [Client, Client, Client, Client, Client];
type Client = ReturnType<typeof createClient<paths>>;
const agents = "/api/v1/agents" as const;
const one = "/api/v1/agents/{agent_id}" as const;

function must(holds: boolean, found: unknown): asserts holds {
  if (!holds) throw new Error(JSON.stringify(found));
}

// The body of an answer, which has this status.
function answer<T>(sent: Answer<T>, status: number): T {
  must(sent.response.status === status && sent.data !== undefined, [sent.response.status, sent.error]);
  return sent.data;
}

function refused(sent: { error?: Schemas["Problem"]; response: Response }, status: number, code: string): Schemas["Problem"] {
  must(sent.response.status === status && sent.error?.code === code, [sent.response.status, sent.error]);
  must(sent.error.request_id === sent.response.headers.get("X-Request-ID"), sent.error);
  return sent.error;
}

function newAgent(name: string): Schemas["AgentCreateDatabase"] {
  const place = { dialect: "postgresql", host: "127.0.0.1", port: 1, database: "sales" } as const;
  return { name, connection_type: "DB", connection_config: { ...place, username: "reader", password: "a password" } };
}

// The connection of an agent is that of its type. A type that this client does not know is none of these.
function host(agent: Schemas["Agent"]): string {
  return agent.connection_type === "DB" ? (agent as Schemas["AgentDatabase"]).connection_config.host : "";
}

function params(agent_id: string, header: { "If-Match"?: string; "If-None-Match"?: string } = {}) {
  return { path: { agent_id }, header };
}

async function allAgents(): Promise<Schemas["AgentInList"][]> {
  const found: Schemas["AgentInList"][] = [];
  for (let cursor: string | undefined; ; ) {
    const query = { limit: 2, status: ["active", "disabled"] as Schemas["AgentStatus"][], ...(cursor ? { cursor } : {}) };
    const page = answer(await reader.GET(agents, { params: { query } }), 200);
    found.push(...page.items);
    if (page.next_cursor === null) return found;
    cursor = page.next_cursor;
  }
}

async function create(): Promise<string> {
  const sent = { params: { header: { "Idempotency-Key": crypto.randomUUID() } }, body: newAgent("First") };
  const first = answer(await writer.POST(agents, sent), 201);
  must(answer(await writer.POST(agents, sent), 200).id === first.id, first);
  refused(await writer.POST(agents, { ...sent, body: newAgent("Other") }), 409, "idempotency_key_reused");
  for (const name of ["Second", "Third"]) answer(await writer.POST(agents, { body: newAgent(name) }), 201);
  const names = (await allAgents()).map((agent) => agent.name);
  must(names.join() === "First,Second,Third", names);
  return first.id;
}

async function change(id: string): Promise<void> {
  const read = await reader.GET(one, { params: params(id) });
  const agent = answer(read, 200);
  must(host(agent) === "127.0.0.1", agent);
  const etag = read.response.headers.get("ETag") ?? "";
  const again = await reader.GET(one, { params: params(id, { "If-None-Match": etag }) });
  must(again.response.status === 304, again);
  const body: Schemas["AgentUpdate"] = { owner: "Finance", connection_config: { row_limit: 10 }, note: "Smaller answers." };
  const sent = { params: params(id, { "If-Match": etag }), body };
  must(answer(await writer.PATCH(one, sent), 200).version === 2, sent);
  refused(await writer.PATCH(one, sent), 412, "stale");
  refused(await writer.PATCH(one, { params: params(id, { "If-Match": "2" }), body }), 400, "bad_etag");
  const wrong = refused(await writer.PATCH(one, { params: params(id), body: { name: "" } }), 422, "invalid_input");
  must(wrong.errors?.[0]?.pointer === "/name", wrong);
}

// Reads an agent with Power BI, changes its configuration, writes it back, and reads it again.
async function changePowerBi(): Promise<void> {
  const [tenant_id, client_id, workspace_id, dataset_id] = [1, 2, 3, 4].map(() => crypto.randomUUID()) as Uuids;
  const ids = { tenant_id, client_id, workspace_id, dataset_id };
  const config = { ...ids, client_secret: "a secret of the app" };
  const body: Schemas["AgentCreatePowerBi"] = { name: "Report", connection_type: "POWERBI", connection_config: config };
  const { id } = answer(await writer.POST(agents, { body }), 201);
  const read = answer(await reader.GET(one, { params: params(id) }), 200) as Schemas["AgentPowerBi"];
  const { cloud, auth_method, ...kept } = read.connection_config;
  must(cloud === "public" && auth_method === "client_secret", read);
  const change: Schemas["AgentUpdate"] = { name: read.name, connection_config: { ...kept, row_limit: 7 } };
  answer(await writer.PATCH(one, { params: params(id), body: change }), 200);
  const place = { dataset_id: crypto.randomUUID() };
  const moved = { params: params(id), body: { connection_config: place } };
  const refusal = refused(await writer.PATCH(one, moved), 422, "invalid_input");
  must(refusal.errors?.map((error) => error.pointer).join() === "/connection_config/client_secret", refusal);
  const moving = { ...place, client_secret: "another secret of the app" };
  answer(await writer.PATCH(one, { ...moved, body: { connection_config: moving } }), 200);
  const again = answer(await reader.GET(one, { params: params(id) }), 200) as Schemas["AgentPowerBi"];
  const expected = { ...read.connection_config, ...place, row_limit: 7 };
  must(JSON.stringify(again.connection_config) === JSON.stringify(expected), [again.connection_config, expected]);
  const fetched = answer(await runtime.GET(`${one}/runtime`, { params: params(id) }), 200);
  must((fetched as Schemas["RuntimeAgentPowerBi"]).connection_config.client_secret === moving.client_secret, id);
  must((await writer.DELETE(one, { params: params(id) })).response.status === 204, id);
}
type Uuids = [string, string, string, string];

async function meetRefusals(id: string): Promise<void> {
  refused(await unknown.GET("/api/v1/me"), 401, "not_signed_in");
  refused(await reader.DELETE(one, { params: params(id) }), 403, "scope_missing");
  refused(await writer.GET(one, { params: params(given.foreign) }), 404, "not_found");
  const text = { body: newAgent("Text"), headers: { "Content-Type": "text/plain" } };
  refused(await writer.POST(agents, text), 415, "unsupported_media_type");
}

async function disableAndClone(id: string): Promise<void> {
  const sent = { params: { path: { agent_id: id } } };
  const disabled = await writer.POST(`${one}/disable`, { ...sent, body: { reason: "The warehouse moves." } });
  must(answer(disabled, 200).status === "disabled", disabled);
  refused(await runtime.GET(`${one}/runtime`, sent), 403, "agent_disabled");
  answer(await writer.POST(`${one}/enable`, sent), 200);
  const copy = answer(await writer.POST(`${one}/clone`, { ...sent, body: { note: "To try it." } }), 201);
  must((await writer.DELETE(one, { params: params(copy.id) })).response.status === 204, copy);
}

async function testAndRestore(id: string): Promise<void> {
  const sent = { params: { path: { agent_id: id } } };
  const fetched = answer(await runtime.GET(`${one}/runtime`, sent), 200);
  must((fetched as Schemas["RuntimeAgentDatabase"]).connection_config.password === "a password", fetched.version);
  must(answer(await writer.POST(`${one}/test`, { ...sent, body: {} }), 200).outcome === "failed", id);
  const versions = answer(await reader.GET(`${one}/versions`, sent), 200).items;
  must(versions.length === 4, versions);
  const first = { params: { path: { agent_id: id, version: 1 } }, body: { note: "As it was." } };
  answer(await writer.POST(`${one}/versions/{version}/restore`, first), 200);
  must((await writer.DELETE(one, { params: params(id) })).response.status === 204, id);
  answer(await writer.POST(`${one}/restore`, sent), 200);
  const act = { act: "set_owner", ids: [id], owner: "Sales" } as const;
  const done = answer(await writer.POST(`${agents}/bulk`, { body: { ...act, ids: [id] } }), 200);
  answer(await writer.POST(`${agents}/bulk/{bulk_id}/undo`, { params: { path: { bulk_id: done.id } } }), 200);
}

async function putByExternalId(): Promise<void> {
  const put = { params: { path: { external_id: "a/b" } }, body: newAgent("Put") };
  const address = `${agents}/by-external-id/{external_id}` as const;
  const [first, again] = [await writer.PUT(address, put), await writer.PUT(address, put)];
  must(answer(first, 201).id === answer(again, 200).id, again);
  must(first.response.headers.get("ETag") === again.response.headers.get("ETag"), put);
}

async function beTooFast(): Promise<void> {
  for (let sent = 0; sent < given.limit; sent++) answer(await hasty.GET("/api/v1/me"), 200);
  const late = await hasty.GET("/api/v1/me");
  refused(late, 429, "rate_limited");
  must(Number(late.response.headers.get("Retry-After")) > 0, late);
}

async function main(): Promise<void> {
  const id = await create();
  await change(id);
  await changePowerBi();
  await meetRefusals(id);
  await disableAndClone(id);
  await testAndRestore(id);
  await putByExternalId();
  await beTooFast();
  console.log("done");
}

main().catch((error: unknown) => {
  console.log(error);
  process.exit(1);
});
