import { platform } from "sealwire/host";
import { concat, fromUTF8, toUTF8 } from "../../../src/bytes.js";
import { fromBase64, toBase64 } from "../../../src/mqtt/base64.js";
import { ScramSHA256, type ScramOptions } from "../../../src/mqtt/index.js";
import { deepEqual, ok, strictEqual, throws } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";
import { findProperty, PACKET, readVariable, text, variable } from "../../support/broker-model.js";
import { World } from "../../support/session-world.js";

const { crypto } = platform;

// RFC 7677 section 3
const CLIENT_NONCE = "rOprNGfwEbeRWgbNEkqO";
const NONCE = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const SERVER_FIRST = `r=${NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`;
const CLIENT_FINAL = `c=biws,r=${NONCE},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=`;
const SERVER_FINAL = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

/** The method with the nonce of the RFC's example. */
function exampleMethod(options: Partial<ScramOptions> = {}): ScramSHA256 {
  const fixed: ScramOptions["crypto"] = {
    random: () => fromBase64(CLIENT_NONCE),
    sha256: () => crypto.sha256(),
    hmac: (key, data) => crypto.hmac(key, data),
    pbkdf2: (password, salt, iterations, byteLength) => crypto.pbkdf2(password, salt, iterations, byteLength),
    importKey: (type, bytes) => crypto.importKey(type, bytes),
  };
  return new ScramSHA256({ crypto: fixed, user: "user", password: "pencil", ...options });
}

function step(method: ScramSHA256, message: string, reasonCode = 0x18): string | undefined {
  const answer = method.step({ data: toUTF8(message), reasonCode });
  return answer && fromUTF8(answer);
}

describe("Base64", () => {
  it("gives the examples of RFC 4648 section 10, both ways", () => {
    const examples = {
      "": "",
      f: "Zg==",
      fo: "Zm8=",
      foo: "Zm9v",
      foob: "Zm9vYg==",
      fooba: "Zm9vYmE=",
      foobar: "Zm9vYmFy",
    };
    for (const [plain, encoded] of Object.entries(examples)) {
      strictEqual(toBase64(toUTF8(plain)), encoded);
      deepEqual(fromBase64(encoded), toUTF8(plain));
    }
  });

  it("refuses what is not Base64", () => {
    for (const wrong of ["Z", "Zg", "Zg=", "Z===", "Zm9v!A==", "Zg==Zg=="])
      throws(() => fromBase64(wrong), "INVALID_ARGUMENT");
  });
});

describe("SCRAM-SHA-256", () => {
  it("gives the example of RFC 7677 section 3, again and again", () => {
    const method = exampleMethod();
    for (let i = 0; i < 3; i++) {
      strictEqual(fromUTF8(method.start()), `n,,n=user,r=${CLIENT_NONCE}`);
      strictEqual(step(method, SERVER_FIRST), CLIENT_FINAL);
      strictEqual(step(method, SERVER_FINAL, 0), undefined);
    }
    method.close();
  });

  it("takes the password as a key that JavaScript cannot read", () => {
    const method = exampleMethod({ password: crypto.importKey("secret", toUTF8("pencil")) });
    method.start();
    strictEqual(step(method, SERVER_FIRST), CLIENT_FINAL);
  });

  it("refuses a server that does not prove itself", () => {
    const wrong = [SERVER_FINAL.replace("6", "7"), "v=", "e=invalid-proof", "", "v=!"];
    for (const message of wrong) {
      const method = exampleMethod();
      method.start();
      step(method, SERVER_FIRST);
      throws(() => step(method, message, 0), "CRYPTO_AUTHENTICATION_FAILED");
    }
    const method = exampleMethod();
    method.start();
    throws(() => method.step({ data: undefined, reasonCode: 0 }), "CRYPTO_AUTHENTICATION_FAILED");
    method.start();
    // The proof of an exchange that was not ours
    throws(() => step(method, SERVER_FINAL, 0), "CRYPTO_AUTHENTICATION_FAILED");
  });

  it("refuses a message that is not the server's first one", () => {
    const wrong = [
      "",
      "r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
      `r=${CLIENT_NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`,
      `r=${NONCE},s=,i=4096`,
      `r=${NONCE},s=!,i=4096`,
      `r=${NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1`,
      `r=${NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4294967295`,
      `r=${NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=-1`,
      `m=ext,r=${NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`,
    ];
    for (const message of wrong) {
      const method = exampleMethod();
      method.start();
      throws(() => step(method, message), "MQTT_PROTOCOL_ERROR");
    }
    const method = exampleMethod();
    method.start();
    step(method, SERVER_FIRST);
    throws(() => step(method, SERVER_FIRST), "MQTT_PROTOCOL_ERROR");
  });

  it("escapes the name, and refuses text that would need SASLprep", () => {
    strictEqual(fromUTF8(exampleMethod({ user: "a=b,c" }).start()), `n,,n=a=3Db=2Cc,r=${CLIENT_NONCE}`);
    throws(() => exampleMethod({ user: "ü" }), "INVALID_ARGUMENT");
    throws(() => exampleMethod({ password: "ü" }), "INVALID_ARGUMENT");
    throws(() => exampleMethod({ user: "" }), "INVALID_ARGUMENT");
  });
});

describe("A session with enhanced authentication", () => {
  /** Lets the broker speak the example of RFC 7677, with its last message in CONNACK. */
  function speakSCRAM(world: World, serverFinal: string): void {
    const { broker } = world;
    const authentication = (data: string): Uint8Array =>
      concat(Uint8Array.of(0x15), text("SCRAM-SHA-256"), Uint8Array.of(0x16), text(data));
    broker.onConnect = (connection) => {
      const properties = authentication(SERVER_FIRST);
      connection.send(PACKET.AUTH, 0, Uint8Array.of(0x18), variable(properties.byteLength), properties);
      return true;
    };
    broker.onAuth = (connection, body) => {
      const length = readVariable(body, 1)!;
      const properties = body.subarray(length.next, length.next + length.value);
      const at = findProperty(properties, 0x16);
      const data = fromUTF8(properties, at + 2, at + 2 + ((properties[at]! << 8) | properties[at + 1]!));
      broker.connackProperties = authentication(serverFinal);
      if (data === CLIENT_FINAL) connection.connack(false);
      else connection.sendConnack(false, 0x86);
    };
  }

  it("is accepted by a server that knows the password", async () => {
    const world = new World();
    speakSCRAM(world, SERVER_FINAL);
    const session = await world.online({ version: 5, authentication: exampleMethod() });
    ok(session.connected);
    await world.reconnect();
    strictEqual(world.connects.length, 2);
  });

  it("leaves a server that does not know it, before anything is sent", async () => {
    const world = new World();
    speakSCRAM(world, "v=AAAA");
    const session = world.start({ version: 5, authentication: exampleMethod() });
    session.publish("t", "secret", { qos: 1 }).catch(() => undefined);
    world.connect();
    await world.run();
    deepEqual(
      world.disconnects.map((error) => error?.code),
      ["CRYPTO_AUTHENTICATION_FAILED"],
    );
    strictEqual(world.seen(PACKET.PUBLISH).length, 0);
  });

  it("is told that the password is wrong", async () => {
    const world = new World();
    speakSCRAM(world, SERVER_FINAL);
    await world.online({ version: 5, authentication: exampleMethod({ password: "pen" }) });
    deepEqual(
      world.disconnects.map((error) => error?.code),
      ["MQTT_BAD_CREDENTIALS"],
    );
  });

  it("needs version 5", () => {
    throws(() => new World().start({ version: 4, authentication: exampleMethod() }), "INVALID_ARGUMENT");
  });
});
