// An integrator's program on the types that openapi-typescript makes, with openapi-fetch. It is compiled first: a
// type that does not fit is an error. Lists can be csv files too: the media type says that this program takes JSON.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

declare const process: { argv: string[] };

type Refusal = components["schemas"]["Error"];

const given = JSON.parse(process.argv[2]!) as {
  url: string; administrator: string; monitor: string; password: string; group: number; macs: string[]; taken: string;
};
const told: Record<string, unknown> = {};
const open = createClient<paths, "application/json">({ baseUrl: given.url });

function tell(name: string, response: Response, refused?: Refusal): void {
  told[name] = [response.status, refused ? "Error" : "", refused?.description ?? null];
}

async function loggedIn(name: "administrator" | "monitor") {
  const { data, response } = await open.POST("/api/v1/login", {
    body: { userName: given[name], password: given.password },
  });
  tell(`login as ${name}`, response);
  return createClient<paths, "application/json">({ baseUrl: given.url, headers: { Authorization: `Bearer ${data!.access_token}` } });
}

const administrator = await loggedIn("administrator");
const monitor = await loggedIn("monitor");
const bulk = { group: given.group, macList: given.macs, overrideCurrentAssociation: false };
const created = await administrator.POST("/api/v1/devices", { body: bulk });
tell("bulk", created.response);
told.created = created.data!.success.count;

const paged: string[] = [];
for (const page of [1, 2]) {
  const { data, response } = await administrator.GET("/api/v1/devices", { params: { query: { page, limit: 2 } } });
  tell("page", response);
  // A list that has nothing to show has no body.
  paged.push(...(data?.devices ?? []).map((device) => device.mac));
}
told.paged = paged;

const none = await administrator.GET("/api/v1/devices/{id}", { params: { path: { id: "999999" } } });
told["204"] = [none.response.status, "", none.data ?? null];
const bad = await administrator.GET("/api/v1/devices", { params: { query: { filter: "colour=1" } } });
tell("400", bad.response, bad.error);
const forbidden = await monitor.POST("/api/v1/devices", { body: bulk });
tell("403", forbidden.response, forbidden.error);
const taken = await administrator.POST("/api/v1/groups", { body: { name: given.taken, groupType: "Provider" } });
tell("409", taken.response, taken.error);

const place = await administrator.POST("/api/v1/locations", {
  body: { url: "https://pbx.example/", groupId: given.group },
});
tell("201", place.response);
const path = { id: place.data!.id };
const read = await administrator.GET("/api/v1/locations/{id}", { params: { path } });
const header = { "If-Match": read.response.headers.get("ETag")! };
const body = { url: "https://pbx.example/new" };
const first = await administrator.PUT("/api/v1/locations/{id}", { params: { path, header }, body });
tell("200", first.response);
const second = await administrator.PUT("/api/v1/locations/{id}", { params: { path, header }, body });
tell("412", second.response, second.error);

const limited = await open.POST("/api/v1/login", { body: { userName: "x", password: "x" } });
tell("429", limited.response, limited.error);
told.limit = ["Retry-After", "RateLimit", "RateLimit-Policy"].map((name) => limited.response.headers.get(name));
console.log(JSON.stringify(told));
