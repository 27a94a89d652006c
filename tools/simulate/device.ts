/** The device of the story: a board with firmware, provisioned for the broker, and a back end that watches what it sends. */
import { fileURLToPath } from "node:url";
import { Board, type BoardEvent, createPlatform, type Launcher } from "../../hosts/node/index.js";
import { toHex } from "../../src/bytes.js";
import { clientIdentifier } from "../../src/identity/index.js";
import type { Alarm } from "../alarm.js";
import { BackEnd } from "./back-end.js";
import { loopback, type TLSVersionRange } from "../brokers/index.js";
import { claimFolder } from "../claim.js";
import type { Cleanup } from "../cleanup.js";
import { CommandFailure, exitCodes } from "../failure.js";
import { createFolder } from "../files.js";
import { shownPath } from "../paths.js";
import { type Connect, type ConnectReason, newestConnection, observeConnect } from "./connects.js";
import type { Narrator } from "./narrator.js";
import { provision } from "./provision.js";
import { toEntry } from "../pki/index.js";
import type { Readings } from "./readings.js";
import { RenewalService } from "./renewal.js";
import type { Setting } from "./setting.js";
import type { TapConnection } from "./tap.js";

export interface SimulatedDeviceOptions {
  readonly setting: Setting;
  /** What the firmware runs on; Node when `undefined`. */
  readonly launcher: Launcher | undefined;
  readonly versions: TLSVersionRange;
  /** Whether payloads are sealed. */
  readonly sealed: boolean;
  /** Where the device keeps what outlives its process; a temporary folder when `undefined`. */
  readonly folder: string | undefined;
  readonly readings: Readings;
  /** The back end refused a payload. */
  readonly onRefused: (reason: string) => void;
  readonly cleanup: Cleanup;
  readonly alarm: Alarm;
  readonly narrator: Narrator;
  readonly onLog: (line: string) => void;
}

const firmware = new URL("../../examples/telemetry/main.js", import.meta.url);

export class SimulatedDevice {
  /** Name of the firmware. */
  static readonly firmware = "examples/telemetry";
  readonly board: Board;
  /** What has its certificate renewed; `undefined` where the authority is not ours. */
  readonly renewal: RenewalService | undefined;
  /** Of the certificate that it was provisioned with. */
  readonly serialNumber: string;
  readonly #setting: Setting;
  /** The connection through the tap that was the newest when the device reported a connect. */
  readonly #connections = new WeakMap<BoardEvent, TapConnection>();

  private constructor(
    setting: Setting,
    board: (onEvent: (event: BoardEvent) => void) => Board,
    readings: Readings,
    renewal: RenewalService | undefined,
    serialNumber: string,
  ) {
    this.#setting = setting;
    this.renewal = renewal;
    this.serialNumber = serialNumber;
    this.board = board((event) => {
      if (event.event === "connect") {
        const connection = newestConnection(setting.tap);
        if (connection) this.#connections.set(event, connection);
      }
      readings.deviceSays(event);
    });
  }

  /** Provisions it and lets the back end watch. Its power is still off. */
  static async prepare(options: SimulatedDeviceOptions): Promise<SimulatedDevice> {
    const { setting, cleanup, alarm, narrator, readings, onLog, onRefused } = options;
    const { broker, tap, trustAnchors, revocationLists } = setting;
    const folder = options.folder ?? cleanup.temporaryFolder("sealwire-device-");
    createFolder(folder, 0o700);
    cleanup.add(claimFolder(folder));
    const mac = createPlatform({ folder }).mac();
    const identifier = clientIdentifier(mac);
    const credentials = await setting.credentials(identifier);
    const payloadSecret = options.sealed ? BackEnd.newSecret() : undefined;
    provision({
      folder,
      broker: { host: broker.host, port: tap?.port ?? broker.port },
      trustAnchors,
      revocationLists,
      credentials,
      payloadSecret,
      versions: options.versions,
    });
    narrator.fact("Device", `${identifier}, from its MAC address ${toHex(mac)}, in ${shownPath(folder)}`);
    if (payloadSecret)
      narrator.fact(
        "Payloads",
        "sealed with a secret of the device and its back end: nobody else, the broker neither, can read or forge them",
      );
    const observer = `${identifier}observer`;
    const telemetry = `${identifier}/telemetry`;
    const renewal = setting.sign && new RenewalService(setting.sign, identifier);
    cleanup.add(() => renewal?.stop());
    const backEnd = await BackEnd.connect({
      address: broker.address,
      port: broker.port,
      host: broker.host,
      trustAnchors,
      credentials: await setting.credentials(observer),
      clientIdentifier: observer,
      payloadSecret,
      topicFilters: renewal ? [telemetry, renewal.topicFilter] : [telemetry],
      onMessage: (topic, payload) => {
        if (topic === telemetry) readings.subscriberGot(payload);
        else void renewal?.take(payload);
      },
      onRefused,
      onLost: (reason) =>
        alarm.ring(
          new CommandFailure(exitCodes.environment, "CONNECTION_LOST", `The subscriber lost the broker: ${reason}.`),
        ),
    });
    cleanup.add(() => backEnd.close());
    payloadSecret?.fill(0);
    renewal?.attach(backEnd);
    const device = new SimulatedDevice(
      setting,
      (onEvent) =>
        new Board({
          folder,
          firmware: fileURLToPath(firmware),
          launcher: options.launcher,
          // The device finds the tap under the broker's name.
          ...(tap && { hosts: { [broker.host]: loopback } }),
          onLog: (line) => onLog(`device: ${line}`),
          onEvent,
          onExit: ({ reason, error }) => {
            readings.deviceStarts();
            if (reason === "crash" || reason === "ended")
              alarm.ring(
                new CommandFailure(
                  exitCodes.failed,
                  error?.code ?? "INVALID_STATE",
                  `The firmware crashed: ${error?.message ?? "it ended by itself."}`,
                  { cause: error },
                ),
              );
          },
        }),
      readings,
      renewal,
      toEntry("device", credentials.certificateChain[0]!).serialNumber,
    );
    cleanup.add(() => device.board.off());
    return device;
  }

  /** Puts a connect that the device reports beside what network and broker saw. */
  observe(reason: ConnectReason, event: BoardEvent): Promise<Connect> {
    return observeConnect(reason, event, this.#connections.get(event), this.#setting.broker);
  }
}
