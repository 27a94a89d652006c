import assert from "node:assert/strict";
import { once } from "node:events";
import * as tls from "node:tls";
import mqtt from "mqtt";
import { EmbeddedBroker } from "../../tools/brokers/index.js";
import { type Credentials, DevelopmentPKI, toPEM } from "../../tools/pki/index.js";
import { Subscriber } from "../../tools/simulate/subscriber.js";
import { temporaryFolder } from "./support/temporary-folder.js";

describe("The subscriber", () => {
  const folder = temporaryFolder();
  let pki: DevelopmentPKI;
  let credentials: Credentials;
  let broker: EmbeddedBroker;
  let subscriber: Subscriber | undefined;

  async function subscribe(options: Partial<Parameters<typeof Subscriber.connect>[0]> = {}): Promise<Subscriber> {
    return (subscriber = await Subscriber.connect({
      address: broker.address,
      port: broker.port,
      host: broker.host,
      trustAnchors: [pki.root],
      credentials,
      clientIdentifier: "observer",
      topicFilters: ["d/+"],
      onMessage: () => undefined,
      onLost: () => undefined,
      ...options,
    }));
  }

  before(async () => {
    pki = await DevelopmentPKI.open({ folder: folder.join("dev"), names: ["localhost"] });
    credentials = await pki.device("observer");
  });

  beforeEach(async () => {
    broker = new EmbeddedBroker({
      server: pki.server,
      root: pki.root,
      versions: { minimum: "TLSv1.2", maximum: "TLSv1.3" },
    });
    await broker.start();
  });

  afterEach(async () => {
    await subscriber?.close();
    await broker.stop();
  });

  it("receives what others publish, at QoS 0 and 1, and acknowledges it", async () => {
    const received: string[] = [];
    await subscribe({ onMessage: (topic, payload) => received.push(`${topic} ${Buffer.from(payload).toString()}`) });
    const publisher = await mqtt.connectAsync({
      host: "localhost",
      port: broker.port,
      protocol: "mqtts",
      ca: toPEM("CERTIFICATE", pki.root),
      cert: credentials.certificateChain.map((der) => toPEM("CERTIFICATE", der)).join(""),
      key: toPEM("PRIVATE KEY", credentials.privateKey),
    });
    try {
      await publisher.publishAsync("d/a", "1", { qos: 1 });
      await publisher.publishAsync("e/a", "not for us", { qos: 1 });
      await publisher.publishAsync("d/b", "2", { qos: 0 });
      await publisher.publishAsync("d/c", "x".repeat(100_000), { qos: 1 });
      for (let i = 0; i < 100 && received.length < 3; i++) await new Promise((resolve) => setTimeout(resolve, 10));
      assert.deepEqual(received, ["d/a 1", "d/b 2", `d/c ${"x".repeat(100_000)}`]);
    } finally {
      await publisher.endAsync();
    }
  });

  it("does not talk to a broker of another authority", async () => {
    const other = await DevelopmentPKI.open({ folder: folder.join("other"), names: ["localhost"] });
    await assert.rejects(subscribe({ trustAnchors: [other.root] }), {
      exitCode: 3,
      message: /^The subscriber that watches for the readings cannot use the broker: .*\.$/,
    });
  });

  it("says when the broker does not accept it", async () => {
    const other = await DevelopmentPKI.open({ folder: folder.join("other"), names: ["localhost"] });
    await assert.rejects(subscribe({ credentials: await other.device("observer") }), { exitCode: 3 });
  });

  it("says when what answers speaks no MQTT", async () => {
    const server = tls.createServer(
      {
        cert: pki.server.certificateChain.map((der) => toPEM("CERTIFICATE", der)).join(""),
        key: toPEM("PRIVATE KEY", pki.server.privateKey),
      },
      (socket) => {
        socket.on("error", () => undefined);
        socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
      },
    );
    await once(server.listen(0, "127.0.0.1"), "listening");
    try {
      await assert.rejects(subscribe({ port: (server.address() as { port: number }).port }), { exitCode: 3 });
    } finally {
      server.close();
    }
  });

  it("reports once that the broker is gone, but not its own end", async () => {
    const lost: string[] = [];
    await subscribe({ onLost: (reason) => lost.push(reason) });
    await broker.stop();
    for (let i = 0; i < 100 && lost.length === 0; i++) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(lost.length, 1);
    await broker.start();
    const other = await subscribe({ onLost: (reason) => lost.push(reason) });
    await other.close();
    await other.close();
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(lost.length, 1);
  });
});
