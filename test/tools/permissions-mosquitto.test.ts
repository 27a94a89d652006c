/**
 * The device's permission matcher against Mosquitto's own decisions, on random rules and topics: by what it delivers for an ACL file, by
 * the SUBACK for dynamic security. Both come from our exports, so these are checked too.
 */
import assert from "node:assert/strict";
import { pbkdf2Sync } from "node:crypto";
import * as fs from "node:fs";
import * as net from "node:net";
import { Permissions } from "../../src/permissions/index.js";
import { PlainMosquitto } from "../../tools/brokers/index.js";
import { findDynamicSecurity, MQTTProbe } from "../../tools/broker/index.js";
import { exportDynamicSecurity, exportMosquittoACL } from "../../tools/permissions/index.js";
import { Random } from "../storm/random.js";
import { requireMosquitto } from "./support/mosquitto.js";
import { temporaryFolder } from "./support/temporary-folder.js";

const rules = 2_000;
/** Rules whose clients are connected at the same time. */
const batch = 50;
const seed = Number(process.env["SEALWIRE_SEED"] ?? 20_261_121);

/** Few names, so that what is drawn often matches. */
const names = ["a", "b", "", "$x", "ab", "ü"];

function topic(random: Random): string {
  for (;;) {
    const made = Array.from({ length: 1 + random.below(4) }, () => names[random.below(names.length)]!).join("/");
    if (made !== "") return made;
  }
}

/** A topic with some levels made wildcards. */
function filter(random: Random): string {
  const levels = topic(random)
    .split("/")
    .map((level) => (random.below(3) === 0 ? "+" : level));
  if (random.below(4) === 0) levels.push("#");
  return random.below(40) === 0 ? "#" : levels.join("/");
}

describe(`The permission matcher and Mosquitto, seed ${seed}`, function () {
  this.timeout(120_000);
  const folder = temporaryFolder();
  let mosquitto: PlainMosquitto | undefined;
  const probes: MQTTProbe[] = [];

  before(function () {
    requireMosquitto(this);
  });
  afterEach(async () => {
    for (const probe of probes.splice(0)) probe.destroy();
    await mosquitto?.stop();
  });

  async function connect(userName: string, password?: string): Promise<MQTTProbe> {
    const socket = net.connect(mosquitto!.port, "127.0.0.1");
    socket.setNoDelay(true);
    const probe = await MQTTProbe.connect(socket, { clientIdentifier: userName, userName, password, timeout: 20_000 });
    assert.equal(probe.code, 0);
    probes.push(probe);
    return probe;
  }

  for (const operation of ["publish", "subscribe"] as const)
    it(`agree on what a client may ${operation === "publish" ? "publish" : "receive"}, by delivery under an ACL file`, async () => {
      const random = new Random(seed);
      const drawn = Array.from({ length: rules }, () => filter(random));
      const acls = drawn.map(
        (rule, i) =>
          exportMosquittoACL(new Permissions([{ topic: rule, operation }]), { users: [`user-${i}`] }).content,
      );
      const acl = folder.join(`acl-${operation}`);
      fs.writeFileSync(acl, ["user all", "topic readwrite #", "topic readwrite $x/#", ...acls, ""].join("\n"), {
        mode: 0o600,
      });
      mosquitto = new PlainMosquitto({
        // With no limit (0) Mosquitto 2.0.11 ends the connection of who publishes what he may not.
        settings: [`acl_file ${acl}`, "max_queued_messages 1000000"],
      });
      await mosquitto.start();
      const all = await connect("all");
      let decisions = 0;
      let allowed = 0;
      for (let start = 0; start < rules; start += batch) {
        const topics = [...new Set(Array.from({ length: batch }, () => topic(random)))];
        const clients = await Promise.all(Array.from({ length: batch }, (_, i) => connect(`user-${start + i}`)));
        if (operation === "publish") {
          await all.subscribe(["#", "$x/#"]);
          all.messages.length = 0;
          await Promise.all(
            clients.map(async (client, i) => {
              for (const one of topics) await client.publish(one, String(start + i));
              await client.ping();
            }),
          );
          await all.ping();
        } else {
          await Promise.all(clients.map((client) => client.subscribe(["#", "$x/#"])));
          for (const one of topics) await all.publish(one, "");
          await all.ping();
          await Promise.all(clients.map((client) => client.ping()));
        }
        const seen = new Set(
          operation === "publish"
            ? all.messages.map((message) => `${message.payload.toString()} ${message.topic}`)
            : clients.flatMap((client, i) => client.messages.map((message) => `${start + i} ${message.topic}`)),
        );
        for (let i = start; i < start + batch; i++) {
          const permissions = new Permissions([{ topic: drawn[i]!, operation }]);
          for (const one of topics) {
            const ours =
              operation === "publish" ? permissions.allowsPublish(one, 0) : permissions.allowsSubscribe(one, 0);
            assert.equal(seen.has(`${i} ${one}`), ours, `${operation} ${one} under ${drawn[i]!}`);
            decisions++;
            if (ours) allowed++;
          }
        }
        for (const client of clients) client.destroy();
      }
      assert.ok(
        decisions >= rules * 20 && allowed > decisions / 100 && allowed < decisions / 2,
        `${allowed} of ${decisions}`,
      );
    });

  it("agree on what a client may subscribe to, by the SUBACK under dynamic security", async () => {
    const random = new Random(seed + 1);
    const drawn = Array.from({ length: rules }, () => filter(random));
    // One salt and one round: only the decisions matter here.
    const salt = Buffer.alloc(12);
    const password = pbkdf2Sync("password", salt, 1, 64, "sha512").toString("base64");
    const clients: object[] = [];
    const roles: object[] = [];
    const wider = new Set<number>();
    drawn.forEach((rule, i) => {
      const made = exportDynamicSecurity(new Permissions([{ topic: rule, operation: "subscribe" }]), {
        devices: [{ clientIdentifier: `user-${i}` }],
      });
      const content = JSON.parse(made.content) as { clients: object[]; roles: object[] };
      clients.push({
        ...content.clients[0],
        password,
        salt: salt.toString("base64"),
        iterations: 1,
        roles: [{ rolename: `role-${i}` }],
      });
      roles.push({ ...content.roles[0], rolename: `role-${i}` });
      if (made.warnings.some(({ effect }) => effect === "wider")) wider.add(i);
    });
    const file = folder.join("dynamic.json");
    const defaults = { publishClientSend: false, publishClientReceive: false, subscribe: false, unsubscribe: true };
    fs.writeFileSync(file, JSON.stringify({ defaultACLAccess: defaults, clients, groups: [], roles }), { mode: 0o600 });
    mosquitto = new PlainMosquitto({
      settings: ["allow_anonymous false", `plugin ${findDynamicSecurity()}`, `plugin_opt_config_file ${file}`],
    });
    await mosquitto.start();
    let decisions = 0;
    let granted = 0;
    let widened = 0;
    for (let start = 0; start < rules; start += batch) {
      await Promise.all(
        drawn.slice(start, start + batch).map(async (rule, i) => {
          const client = await connect(`user-${start + i}`, "password");
          const filters = Array.from({ length: 20 }, () =>
            random.below(5) === 0 ? `$share/g/${filter(random)}` : filter(random),
          );
          filters.push(rule, `$share/g/${rule}`, "$SYS/#", "$SYS/broker/uptime", "$CONTROL/#", "$share/g/$SYS/#");
          const codes = await client.subscribe(filters);
          const permissions = new Permissions([{ topic: rule, operation: "subscribe" }]);
          filters.forEach((one, n) => {
            const ours = permissions.allowsSubscribe(one, 0);
            const theirs = codes[n] === 0;
            decisions++;
            if (ours) granted++;
            if (theirs === ours) return;
            // What the export warns of, and nothing else; never less than the permissions say, and nothing of the server's own.
            assert.ok(
              theirs && wider.has(start + i) && !/(^|\/)\$(SYS|CONTROL)/.test(one),
              `${one} under ${rule}: Mosquitto says ${theirs}`,
            );
            widened++;
          });
          client.destroy();
        }),
      );
    }
    assert.ok(
      decisions >= rules * 26 && granted > rules * 2 && widened < decisions / 20,
      `${granted} granted, ${widened} wider, of ${decisions}`,
    );
    console.log(
      `      ${decisions} decisions, ${granted} grants; Mosquitto grants ${widened} more, all of them warned of`,
    );
  });
});
