import { STORAGE_KEY } from "../../../src/storage/index.js";
import { deepEqual, ok, strictEqual } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";
import { PowerCut, type CutPoint } from "../../support/memory-storage.js";
import { SealedInbox } from "../../support/sealed-inbox.js";
import { codeOf, delivered, secretKey, Station, textOf } from "./sealing-world.js";

const topic = "dev/commands";

interface Command {
  readonly sealed: Uint8Array;
  readonly name: string;
  handled: number;
  acknowledged: boolean;
}

/** Commands of several senders to one receiver, and the broker that repeats what was not acknowledged. */
class Scene {
  readonly senders: Station[];
  readonly receiver: Station;
  readonly commands: Command[] = [];
  inbox: SealedInbox<Command>;
  /** What the broker has sent and nobody acknowledged. */
  #sent: Command[] = [];

  constructor(senders: number) {
    this.senders = Array.from({ length: senders }, (_, i) => new Station(`sender ${i}`));
    this.receiver = new Station("device");
    this.inbox = this.#begin();
  }

  #begin(): SealedInbox<Command> {
    return new SealedInbox<Command>(this.receiver.sealing, this.receiver.storage!, (command) => {
      command.acknowledged = true;
      this.#sent = this.#sent.filter((each) => each !== command);
    });
  }

  /** One command of each sender: all of them are being handled. */
  send(): Command[] {
    return this.senders.map((sender, i) => {
      const name = `${i}-${this.commands.length}`;
      const command = { sealed: sender.seal(topic, name), name, handled: 0, acknowledged: false };
      this.commands.push(command);
      this.#sent.push(command);
      this.#hand(command, false);
      return command;
    });
  }

  #hand(command: Command, duplicate: boolean): void {
    const result = this.inbox.receive(command, topic, command.sealed, { qos: 1, duplicate });
    strictEqual(result.outcome === "refused", false, `${command.name}: a repeat of the broker is refused`);
    if (result.outcome !== "delivered") return;
    strictEqual(textOf(result), command.name);
    strictEqual(command.acknowledged, false, `${command.name} was acknowledged, and is delivered again`);
  }

  finish(command: Command): void {
    command.handled++;
    this.inbox.finish(command);
  }

  /** The power comes back, and the broker repeats what was not acknowledged. */
  restart(): void {
    this.receiver.powerCut();
    this.inbox = this.#begin();
    for (const command of this.#sent) this.#hand(command, true);
  }

  /** Whoever recorded the messages plays them again. */
  replay(): void {
    for (const { sealed } of this.commands)
      strictEqual(codeOf(this.receiver.unseal(topic, sealed, { qos: 1 })), "SEALED_REPLAYED");
  }
}

/** Handlers end in another order than they began, some of them before the first acknowledgement. */
function handleAll(scene: Scene): void {
  const commands = scene.inbox.handling;
  const [odd, even] = [1, 0].map((rest) => commands.filter((_, i) => i % 2 === rest));
  for (const command of odd!.reverse()) scene.finish(command);
  for (const command of even!) {
    scene.finish(command);
    scene.inbox.acknowledge();
  }
  scene.inbox.acknowledge();
}

describe("Sealed messages of many senders that are handled at once", () => {
  it("are not lost when the power fails while more of them are being handled than a mark holds", () => {
    const scene = new Scene(12);
    const [first] = scene.send();
    scene.finish(first!);
    scene.inbox.acknowledge();
    scene.restart();
    strictEqual(scene.inbox.handling.length, 11);
    handleAll(scene);
    scene.restart();
    deepEqual(
      scene.commands.map(({ handled }) => handled),
      Array.from({ length: 12 }, () => 1),
    );
    scene.replay();
  });

  it("cost one write for each that is acknowledged, at most", () => {
    const scene = new Scene(12);
    for (let round = 0; round < 5; round++) {
      scene.send();
      handleAll(scene);
    }
    // A snapshot tells of those, too, that are handled and wait for one before them.
    const { writes } = scene.receiver.storage!;
    ok(writes <= 60 && writes >= 30, `${writes}`);
  });

  for (const how of ["before", "after"] as const)
    it(`are neither lost, nor repeated once acknowledged, nor open to replay: the power is cut ${how} each write`, () => {
      for (let at = 1; ; at++) {
        const scene = new Scene(12);
        const wasCut = cutAt(scene, at, how);
        for (const { name, handled, acknowledged } of scene.commands) {
          ok(handled > 0 && acknowledged, `write ${at}: ${name} was lost`);
          ok(handled <= 2, `write ${at}: ${name} was handled ${handled} times`);
        }
        scene.replay();
        scene.restart();
        deepEqual(scene.inbox.handling, []);
        scene.replay();
        if (wasCut) continue;
        ok(at > 15, `${at} writes`);
        break;
      }
    });

  it("come again after a deep sleep, if they were still being handled; what was handled does not", () => {
    const scene = new Scene(12);
    const commands = scene.send();
    for (const i of [3, 5]) scene.finish(commands[i]!);
    scene.inbox.acknowledge();
    scene.receiver.sleep();
    commands.forEach(({ sealed }, i) => {
      const { outcome } = scene.receiver.unseal(topic, sealed, { qos: 1, duplicate: true });
      strictEqual(outcome, i === 3 || i === 5 ? "duplicate" : "delivered", `${i}`);
    });
  });

  it("come again after an orderly end, too; and nothing is settled after it", () => {
    const scene = new Scene(2);
    const [first, second] = scene.send();
    scene.finish(first!);
    scene.receiver.sealing.close();
    let code = "";
    try {
      scene.inbox.acknowledge();
    } catch (error) {
      ({ code } = error as { code: string });
    }
    strictEqual(code, "CLOSED");
    strictEqual(first!.acknowledged, false);
    scene.receiver.powerCut();
    strictEqual(scene.receiver.unseal(topic, first!.sealed, { qos: 1, duplicate: true }).outcome, "duplicate");
    strictEqual(textOf(scene.receiver.unseal(topic, second!.sealed, { qos: 1, duplicate: true })), second!.name);
  });

  it("are not lost by a later one of the same sender that is handled first, however far its number is ahead", () => {
    for (const ahead of [63, 64, 500]) {
      const scene = new Scene(1);
      const [first] = scene.send();
      const [sender] = scene.senders;
      for (let i = 1; i < ahead; i++) sender!.seal(topic, "lost on the way");
      const [second] = scene.send();
      scene.finish(second!);
      // Another sender's message is acknowledged meanwhile, and a snapshot made.
      const other = new Station("other");
      delivered(scene.receiver.unseal(topic, other.seal(topic, "x")));
      scene.restart();
      ok(scene.inbox.handling.includes(first!), `${ahead} ahead`);
      handleAll(scene);
      strictEqual(first!.handled, 1);
      ok(first!.acknowledged && second!.acknowledged);
      scene.replay();
    }
  });

  it("are settled when their handling failed, unless the server was told so (MQTT 5.0)", () => {
    const scene = new Scene(12);
    const commands = scene.send();
    commands.forEach((command, i) => scene.inbox.finish(command, i % 2 === 0 ? "failed" : "refused"));
    scene.inbox.acknowledge();
    scene.restart();
    commands.forEach(({ sealed }, i) => {
      const { outcome } = scene.receiver.unseal(topic, sealed, { qos: 1 });
      strictEqual(outcome, i % 2 === 0 ? "refused" : "delivered", `${i}`);
    });
  });

  it("stay settled, and come again if they are not, over a rotation of the secret", () => {
    const scene = new Scene(12);
    const commands = scene.send();
    scene.receiver.sealing.setSecrets(new Map([[0, secretKey()]]));
    for (const command of commands.slice(0, 9)) scene.finish(command);
    scene.inbox.acknowledge();
    scene.restart();
    deepEqual(
      scene.inbox.handling.map(({ name }) => name),
      commands.slice(9).map(({ name }) => name),
    );
  });

  it("are not acknowledged when storage does not take the mark; then they are only stored", () => {
    const scene = new Scene(9);
    const commands = scene.send();
    for (const command of commands) scene.finish(command);
    for (let i = 0; i < 20 && commands.some(({ acknowledged }) => !acknowledged); i++) {
      const before = commands.filter(({ acknowledged }) => acknowledged).length;
      scene.receiver.storage!.failAt(2, "fail");
      try {
        scene.inbox.acknowledge(2);
      } catch {
        strictEqual(commands.filter(({ acknowledged }) => acknowledged).length, before + 1);
      }
    }
    ok(commands.every(({ acknowledged }) => acknowledged));
    strictEqual(scene.receiver.storage!.read(STORAGE_KEY.sealingReplay) !== undefined, true);
    scene.restart();
    scene.replay();
  });
});

/** Three rounds of commands, with a cut at one of the writes. @returns whether it came to it */
function cutAt(scene: Scene, at: number, how: CutPoint): boolean {
  scene.receiver.storage!.failAt(at, how);
  let wasCut = false;
  for (let round = 0; round < 3; round++) {
    try {
      scene.send();
      handleAll(scene);
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error;
      wasCut = true;
      scene.restart();
      handleAll(scene);
    }
  }
  return wasCut;
}
