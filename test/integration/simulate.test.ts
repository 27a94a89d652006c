import assert from "node:assert/strict";
import { constants } from "node:crypto";
import { once } from "node:events";
import * as fs from "node:fs";
import * as net from "node:net";
import * as tls from "node:tls";
import { Aedes } from "aedes";
import { EmbeddedBroker, findMosquitto } from "../../tools/brokers/index.js";
import { DevelopmentPKI, toPEM } from "../../tools/pki/index.js";
import { requireMosquitto } from "../tools/support/mosquitto.js";
import { type CommandResult, killCommands, type RunningCommand, startCommand } from "../tools/support/run-command.js";
import { temporaryFolder } from "../tools/support/temporary-folder.js";

interface Story {
  readonly broker: string;
  readonly tls: { readonly minimum: string; readonly maximum: string };
  readonly firmware: string;
  readonly connects: readonly {
    readonly protocol: string;
    readonly resumed: boolean;
    readonly bytesOut: number;
    readonly bytesIn: number;
    readonly milliseconds: number;
    readonly brokerResumed: boolean | null;
    readonly reason: string;
  }[];
  readonly rotation: {
    readonly version: number;
    readonly outcome: string;
    readonly oldCertificate: string;
    readonly newCertificate: string;
  } | null;
  readonly readings: { readonly sent: number; readonly received: number };
  readonly payloads: { readonly sealed: boolean; readonly refused: number };
  readonly ok: boolean;
  readonly error?: { readonly code: string; readonly message: string };
}

describe("sealwire simulate", function () {
  this.timeout(60_000);
  const folder = temporaryFolder();

  /** Starts it with a folder of its own for what is temporary, which must be empty in the end. */
  function start(args: readonly string[]): RunningCommand {
    fs.mkdirSync(folder.join("tmp"), { recursive: true });
    return startCommand(["simulate", "--certs", folder.join("certs"), ...args], { TMPDIR: folder.join("tmp") });
  }

  afterEach(async () => {
    await killCommands();
    assert.deepEqual(fs.readdirSync(folder.join("tmp")), []);
  });

  async function tell(args: readonly string[]): Promise<Story> {
    const { exitCode, stdout, stderr } = await start(["--json", ...args]).result;
    assert.deepEqual([exitCode, stderr], [0, ""], stdout);
    return JSON.parse(stdout) as Story;
  }

  function isAsItShouldBe(story: Story, protocol: string, rotates = true): void {
    const { connects, rotation, readings, payloads, ok, firmware } = story;
    assert.deepEqual(
      connects.map(({ reason, protocol, resumed, brokerResumed }) => [reason, protocol, resumed, brokerResumed]),
      [
        ["power-on", protocol, false, false],
        ["network-cut", protocol, true, true],
        ["deep-sleep", protocol, true, true],
        ["power-cut", protocol, true, true],
        ...(rotates
          ? [
              ["rotation", protocol, false, false],
              ["after-rotation", protocol, true, true],
            ]
          : []),
      ],
    );
    const bytes = (connect: Story["connects"][number]): number => connect.bytesOut + connect.bytesIn;
    for (const connect of connects)
      if (connect.resumed) assert.ok(bytes(connect) <= 0.6 * bytes(connects[0]!), connects.map(bytes).join());
    assert.equal(rotation?.outcome, rotates ? "committed" : undefined);
    if (rotation) {
      // 2 for a new device; a vault that was wiped goes on counting.
      assert.ok(rotation.version >= 2);
      for (const serial of [rotation.oldCertificate, rotation.newCertificate]) assert.match(serial, /^[0-9a-f]{32}$/);
      assert.notEqual(rotation.newCertificate, rotation.oldCertificate);
    }
    for (const { milliseconds } of connects) assert.ok(milliseconds > 0 && milliseconds < 10_000);
    assert.ok(readings.sent >= 3);
    assert.equal(readings.received, readings.sent);
    assert.equal(payloads.refused, 0);
    assert.equal(ok, true);
    assert.equal(firmware, "examples/telemetry");
  }

  describe("with each broker and each version of TLS", () => {
    const cases = (["embedded", "mosquitto"] as const).flatMap((kind) =>
      (["1.2", "1.3"] as const).map((version) => ({ kind, version, protocol: `TLSv${version}` })),
    );
    const stories = new Map<object, Story>();

    before(async function () {
      // At once: they wait more than they work.
      const possible = cases.filter(({ kind }) => kind === "embedded" || findMosquitto() !== undefined);
      await Promise.all(
        possible.map(async (one) => stories.set(one, await tell(["--broker", one.kind, "--tls", one.version]))),
      );
    });

    for (const one of cases)
      it(`tells its story with the ${one.kind} broker and TLS ${one.version}`, function () {
        const { kind, protocol } = one;
        if (kind === "mosquitto") requireMosquitto(this);
        const story = stories.get(one)!;
        isAsItShouldBe(story, protocol);
        assert.match(story.broker, kind === "mosquitto" ? /^Mosquitto \d/ : /aedes/);
        assert.deepEqual(story.tls, { minimum: protocol, maximum: protocol });
      });
  });

  it("uses TLS 1.3 when nothing is said, in two runs at once on the same PKI", async () => {
    const stories = await Promise.all([tell([]), tell([])]);
    for (const story of stories) {
      isAsItShouldBe(story, "TLSv1.3");
      assert.equal(story.payloads.sealed, true);
    }
  });

  it("tells people what happens, line by line, and ends with a table", async () => {
    const { exitCode, stdout, stderr } = await start([]).result;
    assert.deepEqual([exitCode, stderr], [0, ""]);
    const order = [
      /^PKI /m,
      /^Broker /m,
      /^Device /m,
      /^Payloads +sealed /m,
      /^1\. Power on/m,
      /^2\. The network/m,
      /^3\. Deep sleep/m,
      /^4\. Power cut/m,
      /^5\. Rotation/m,
      /^ {3}Full mutual-TLS handshake/m,
      /^ {3}Accepted, so it is in force: version 2 /m,
      /^6\. Deep sleep/m,
    ];
    order.push(
      /^connect after /m,
      /^power on .* full .* full$/m,
      /^power cut .* resumed .* resumed$/m,
      /^rotation .* full .* full$/m,
    );
    order.push(/^Resumption saved \d\d % /m, /^Everything went as it should\.$/m);
    let position = 0;
    for (const expected of order) {
      const index = stdout.slice(position).search(expected);
      assert.ok(index >= 0, `${String(expected)} is missing in:\n${stdout}`);
      position += index;
    }
    assert.ok(!stdout.includes("\u001b"));
  });

  it("leaves payloads as they are when told so", async () => {
    const story = await tell(["--no-seal"]);
    isAsItShouldBe(story, "TLSv1.3");
    assert.equal(story.payloads.sealed, false);
  });

  it("keeps the device in the folder it is given, and meets it again", async () => {
    const state = folder.join("device");
    isAsItShouldBe(await tell(["--state", state]), "TLSv1.3");
    const mac = fs.readFileSync(`${state}/mac`);
    isAsItShouldBe(await tell(["--state", state]), "TLSv1.3");
    assert.deepEqual(fs.readFileSync(`${state}/mac`), mac);
  });

  it("does not use a device's folder that another run uses", async () => {
    const state = folder.join("shared");
    const results = await Promise.all([start(["--state", state]).result, start(["--state", state]).result]);
    const [first, second] = results.sort((a, b) => a.exitCode! - b.exitCode!);
    assert.deepEqual([first.exitCode, first.stderr], [0, ""]);
    assert.equal(second.exitCode, 3);
    assert.match(second.stderr, /^sealwire: The folder [^\n]*shared is in use by process \d+; [^\n]*\n$/);
  });

  it("uses a device's folder whose last run was killed", async () => {
    const state = folder.join("killed");
    const { child, result, output } = start(["--state", state, "--keep-running"]);
    while (!output().stdout.includes("2. ")) await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill("SIGKILL");
    await result;
    isAsItShouldBe(await tell(["--state", state]), "TLSv1.3");
  });

  describe("with an external broker", () => {
    let pki: DevelopmentPKI;
    let files: string[];

    before(async () => {
      pki = await DevelopmentPKI.open({ folder: folder.join("external"), names: ["localhost", "127.0.0.1"] });
      await pki.device("device");
      const file = (name: string): string => folder.join("external", name);
      files = ["--ca", file("root-ca.crt"), "--cert", file("devices/device.crt"), "--key", file("devices/device.key")];
    });

    it("tells the same story, when the broker has a name", async () => {
      const broker = new EmbeddedBroker({
        server: pki.server,
        root: pki.root,
        versions: { minimum: "TLSv1.2", maximum: "TLSv1.3" },
      });
      await broker.start();
      try {
        isAsItShouldBe(await tell(["--broker", `mqtts://localhost:${broker.port}`, ...files]), "TLSv1.3", false);
        // By its address it is reached without the tap, which cannot be put in its place.
        const { connects, ok } = await tell(["--broker", `mqtts://127.0.0.1:${broker.port}`, ...files]);
        assert.deepEqual(
          connects.map(({ resumed, brokerResumed }) => [resumed, brokerResumed]),
          [
            [false, null],
            [true, null],
            [true, null],
            [true, null],
          ],
        );
        assert.equal(ok, true);
      } finally {
        await broker.stop();
      }
    });

    it("fails, and says why, when the broker resumes no session", async () => {
      const aedes = await Aedes.createBroker();
      const server = tls.createServer(
        {
          cert: pki.server.certificateChain.map((der) => toPEM("CERTIFICATE", der)).join(""),
          key: toPEM("PRIVATE KEY", pki.server.privateKey),
          ca: toPEM("CERTIFICATE", pki.root),
          requestCert: true,
          secureOptions: constants.SSL_OP_NO_TICKET,
        },
        (socket) => aedes.handle(socket),
      );
      await once(server.listen(0, "127.0.0.1"), "listening");
      const { port } = server.address() as net.AddressInfo;
      try {
        const { exitCode, stdout, stderr } = await start(["--json", "--broker", `mqtts://localhost:${port}`, ...files])
          .result;
        assert.equal(exitCode, 1);
        assert.match(stderr, /^sealwire: The connect after "network cut" was a full handshake; [^\n]*\n$/);
        const story = JSON.parse(stdout) as Story;
        assert.equal(story.ok, false);
        assert.deepEqual(
          story.connects.map(({ resumed, brokerResumed }) => [resumed, brokerResumed]),
          Array.from({ length: 4 }, () => [false, false]),
        );
      } finally {
        aedes.close();
        server.close();
      }
    });

    it("fails, and says why, when the broker refuses the device", async () => {
      const broker = new EmbeddedBroker({
        server: pki.server,
        root: pki.root,
        versions: { minimum: "TLSv1.2", maximum: "TLSv1.3" },
      });
      await broker.start();
      // A proxy that lets the first connection through, which is the subscriber's, and cuts all others.
      let connections = 0;
      const proxy = net.createServer((socket) => {
        socket.on("error", () => undefined);
        // The command looks first whether the broker is there.
        if (++connections > 2) socket.resetAndDestroy();
        else {
          const onward = net.connect(broker.port, "127.0.0.1");
          onward.on("error", () => undefined);
          socket.pipe(onward).pipe(socket);
        }
      });
      await once(proxy.listen(0, "127.0.0.1"), "listening");
      const { port } = proxy.address() as net.AddressInfo;
      try {
        const { exitCode, stdout, stderr } = await start(["--json", "--broker", `mqtts://localhost:${port}`, ...files])
          .result;
        assert.equal(exitCode, 1);
        assert.match(stderr, /^sealwire: The device could not connect after "power on": [^\n]*\n$/);
        assert.deepEqual((JSON.parse(stdout) as Story).connects, []);
      } finally {
        proxy.close();
        await broker.stop();
      }
    });

    it("fails, and says why, when the broker is of another authority than --ca", async () => {
      const other = await DevelopmentPKI.open({ folder: folder.join("stranger"), names: ["localhost"] });
      const broker = new EmbeddedBroker({
        server: other.server,
        root: pki.root,
        versions: { minimum: "TLSv1.2", maximum: "TLSv1.3" },
      });
      await broker.start();
      try {
        const { exitCode, stderr } = await start(["--broker", `mqtts://localhost:${broker.port}`, ...files]).result;
        assert.equal(exitCode, 3);
        assert.match(stderr, /^sealwire: The subscriber [^\n]* cannot use the broker: [^\n]*\n$/);
      } finally {
        await broker.stop();
      }
    });
  });

  it("ends when nobody reads its output any more, and leaves nothing behind", async () => {
    const { child, result } = start(["--keep-running"]);
    child.stdout!.once("data", () => child.stdout!.destroy());
    assert.equal((await result).exitCode, 1);
  });

  describe("ended from outside", () => {
    async function until(running: RunningCommand, text: string): Promise<void> {
      let ended: CommandResult | undefined;
      void running.result.then((result) => (ended = result));
      while (!running.output().stdout.includes(text)) {
        assert.equal(ended, undefined, JSON.stringify(ended));
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }

    for (const signal of ["SIGINT", "SIGTERM"] as const)
      it(`cleans up after ${signal} and says so`, async function () {
        requireMosquitto(this);
        const running = start(["--broker", "mosquitto"]);
        await until(running, "\n2. ");
        running.child.kill(signal);
        const { exitCode, stderr } = await running.result;
        assert.deepEqual([exitCode, stderr], [130, "sealwire: Interrupted.\n"]);
      });

    it("keeps broker and device running when told so, until Ctrl-C", async () => {
      const running = start(["--keep-running"]);
      await until(running, "Ctrl-C ends both");
      const port = Number(/localhost:(\d+)/.exec(running.output().stdout)![1]);
      const before = running.output().stdout.length;
      while (!running.output().stdout.slice(before).includes("Reading: {"))
        await new Promise((resolve) => setTimeout(resolve, 20));
      const socket = net.connect(port, "127.0.0.1");
      await once(socket, "connect");
      socket.destroy();
      running.child.kill("SIGINT");
      const { exitCode, stderr } = await running.result;
      assert.deepEqual([exitCode, stderr], [0, ""]);
      const [error] = (await once(net.connect(port, "127.0.0.1"), "error")) as [NodeJS.ErrnoException];
      assert.equal(error.code, "ECONNREFUSED");
    });

    it("stops when the story takes longer than it may", async () => {
      const { exitCode, stderr } = await start(["--timeout", "1"]).result;
      assert.deepEqual([exitCode, stderr], [1, "sealwire: The story was not over after 1 s (--timeout).\n"]);
    });
  });
});
