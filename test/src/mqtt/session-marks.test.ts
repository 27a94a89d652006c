import { SealwireError } from "../../../src/errors.js";
import type { MQTTSession, SessionMessage, SessionOptions } from "../../../src/mqtt/index.js";
import { fromUTF8 } from "../../../src/bytes.js";
import { deepEqual, strictEqual } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";
import { PACKET, World } from "../../support/session-world.js";

/** A session whose messages are marked by a function, and acknowledged by hand. */
class Marked {
  readonly world = new World();
  readonly messages: SessionMessage[] = [];
  /** Texts of messages whose mark was asked for. */
  readonly asked: string[] = [];
  /** What the function does, beside telling that it was asked. */
  markOf: (text: string) => Uint8Array | undefined = (text) => Uint8Array.of(text.charCodeAt(0));
  readonly options: Partial<SessionOptions>;

  constructor(options: Partial<SessionOptions>) {
    this.options = {
      durability: "power",
      acknowledge: "manual",
      onMessage: (message) => {
        const text = fromUTF8(message.payload)!;
        message.mark = () => {
          this.asked.push(text);
          return this.markOf(text);
        };
        this.messages.push(message);
      },
      ...options,
    };
  }

  /** Subscribed, with messages handed out that have these texts. */
  async with(qos: 1 | 2, ...texts: string[]): Promise<this> {
    const session = await this.world.online(this.options);
    void session.subscribe("in", { qos: 2 });
    await this.world.run();
    for (const text of texts) this.world.broker.publish("in", text, qos);
    await this.world.run();
    strictEqual(this.messages.length, texts.length);
    this.world.flash.writes = 0;
    return this;
  }

  get session(): MQTTSession {
    return this.world.session;
  }

  get mark(): string | undefined {
    return this.session.mark && fromUTF8(this.session.mark);
  }

  /** Acknowledgements of messages that the server got. */
  acknowledged(qos: 1 | 2): number {
    return this.world.seen(qos === 1 ? PACKET.PUBACK : PACKET.PUBREC).length;
  }
}

for (const version of [4, 5] as const)
  for (const qos of [1, 2] as const)
    describe(`A mark that is asked for when it is stored, MQTT ${version === 4 ? "3.1.1" : "5.0"}, QoS ${qos}`, () => {
      it("is asked for in the order of arrival, right before the one write and the acknowledgement", async () => {
        const marked = await new Marked({ version }).with(qos, "a", "b", "c");
        const { world } = marked;
        const before: string[] = [];
        marked.markOf = (text) => {
          before.push(`${text} ${world.flash.writes} ${marked.acknowledged(qos)}`);
          return Uint8Array.of(text.charCodeAt(0));
        };
        for (const index of [2, 1]) marked.messages[index]!.acknowledge();
        await world.run();
        deepEqual(marked.asked, []);
        marked.messages[0]!.acknowledge();
        await world.run();
        strictEqual(before[0], "a 0 0");
        deepEqual(marked.asked, ["a", "b", "c"]);
        strictEqual(marked.acknowledged(qos), 3);
        strictEqual(world.flash.writes, qos === 1 ? 3 : 6, "and one for each PUBREL");
        strictEqual(marked.mark, "c");
        world.powerLoss();
        deepEqual(fromUTF8(world.start(marked.options).mark!), "c");
      });

      it("leaves the one before where it is when there are no bytes, and costs no write of its own", async () => {
        const marked = await new Marked({ version }).with(qos, "a", "b");
        marked.markOf = (text) => (text === "a" ? Uint8Array.of(0x61) : undefined);
        for (const message of marked.messages) message.acknowledge();
        await marked.world.run();
        strictEqual(marked.acknowledged(qos), 2);
        strictEqual(marked.mark, "a");
        strictEqual(marked.world.flash.writes, qos === 1 ? 1 : 4);
      });

      it("is not written again when it is the one before: what was handled together costs one write", async () => {
        const marked = await new Marked({ version }).with(qos, "a", "b", "c");
        marked.markOf = () => Uint8Array.of(0x63);
        for (const message of marked.messages) message.acknowledge();
        await marked.world.run();
        strictEqual(marked.acknowledged(qos), 3);
        strictEqual(marked.world.flash.writes, qos === 1 ? 1 : 6);
        marked.session.forgetMark();
        marked.world.broker.publish("in", "d", qos);
        await marked.world.run();
        marked.messages[3]!.acknowledge();
        await marked.world.run();
        strictEqual(marked.mark, "c");
        marked.world.powerLoss();
        strictEqual(fromUTF8(marked.world.start(marked.options).mark!), "c", "forgotten, and stored again");
      });

      it("that cannot be had keeps the message from being acknowledged; it comes again, and is not handed out", async () => {
        const marked = await new Marked({ version }).with(qos, "a", "b");
        const { world } = marked;
        let failures = 2;
        marked.markOf = (text) => {
          if (text === "a" && failures-- > 0) throw new SealwireError("STORAGE_FAILED", "The flash is worn out.");
          return Uint8Array.of(text.charCodeAt(0));
        };
        for (const message of marked.messages) message.acknowledge();
        await world.run();
        strictEqual(marked.acknowledged(qos), 0);
        strictEqual(world.disconnects.length, 1);
        strictEqual(world.disconnects[0]!.code, "STORAGE_FAILED");
        deepEqual(marked.asked, ["a", "a"], "once more when the connection has ended");
        world.connect();
        await world.run();
        strictEqual(marked.acknowledged(qos), 2);
        strictEqual(marked.messages.length, 2, "handed out once");
        deepEqual(marked.asked, ["a", "a", "a", "b"]);
        strictEqual(marked.mark, "b");
        strictEqual(world.broker.sessions.get("device")!.outgoing.length, 0);
      });

      it("that was forgotten stays forgotten when the next one cannot be had", async () => {
        const marked = await new Marked({ version }).with(qos, "a", "b");
        marked.messages[0]!.acknowledge();
        await marked.world.run();
        strictEqual(marked.mark, "a");
        marked.markOf = () => {
          marked.session.forgetMark();
          throw new SealwireError("STORAGE_FAILED", "The flash is worn out.");
        };
        marked.messages[1]!.acknowledge();
        await marked.world.run();
        strictEqual(marked.mark, undefined);
      });

      it("is asked for when the connection was lost before the message was handled, and stored then", async () => {
        const marked = await new Marked({ version }).with(qos, "a");
        const { world } = marked;
        world.network.cut();
        await world.run();
        marked.messages[0]!.acknowledge();
        await world.run();
        deepEqual(marked.asked, ["a"]);
        world.powerLoss();
        deepEqual(fromUTF8(world.start(marked.options).mark!), "a");
      });

      const acts: Record<string, (marked: Marked) => void> = {
        "closes the session": ({ session }) => session.close(),
        "drops the connection": ({ session }) => session.abort(),
        "drops the connection and makes another": ({ session, world }) => {
          session.abort();
          world.connect();
        },
        "says goodbye": ({ session }) => void session.disconnect(),
        "acknowledges all messages again": ({ messages }) => messages.forEach((message) => message.acknowledge()),
        "forgets the mark": ({ session }) => session.forgetMark(),
        publishes: ({ session }) => void session.publish("out", "x", { qos: 1 }).catch(() => undefined),
      };
      for (const [title, act] of Object.entries(acts))
        it(`may be asked of an application that ${title}: nothing is acknowledged without its mark`, async () => {
          const marked = await new Marked({ version }).with(qos, "a", "b", "c");
          const { world } = marked;
          let acted = false;
          marked.markOf = (text) => {
            if (!acted && text === "a") {
              acted = true;
              act(marked);
            }
            return Uint8Array.of(text.charCodeAt(0));
          };
          for (const message of marked.messages.slice(0, 2)) message.acknowledge();
          await world.run();
          if (title === "closes the session") {
            deepEqual(marked.asked, ["a"]);
            strictEqual(world.flash.writes, 0);
            strictEqual(marked.acknowledged(qos), 0);
            return;
          }
          let count = title.startsWith("acknowledges") ? 3 : 2;
          deepEqual(marked.asked, ["a", "b", "c"].slice(0, count), "each of them once");
          strictEqual(marked.mark, "abc"[count - 1]);
          if (!marked.session.connected) {
            world.connect();
            await world.run();
          }
          if (title === "says goodbye") {
            // QoS 1 comes again, behind the third, as whenever PUBACK was lost.
            for (const message of marked.messages) message.acknowledge();
            await world.run();
            count = 3;
          }
          strictEqual(marked.acknowledged(qos), count);
          strictEqual(marked.session.pending.inbound, 3 - count);
          deepEqual(world.errors, []);
        });

      it("is not asked for when the server is told that the message was not handled (MQTT 5.0), else it is", async () => {
        const marked = new Marked({
          version,
          acknowledge: "auto",
          onMessage: (message) => {
            message.mark = () => {
              marked.asked.push("asked");
              return undefined;
            };
            throw new Error("the application failed");
          },
        });
        await marked.with(qos);
        marked.world.broker.publish("in", "x", qos);
        await marked.world.run();
        strictEqual(marked.acknowledged(qos), 1);
        deepEqual(marked.asked, version === 5 ? [] : ["asked"]);
      });
    });
