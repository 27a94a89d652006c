/** What happens to the device, step by step. It knows nothing of how broker and device were set up. */
import type { Board, BoardEvent } from "../../hosts/node/index.js";
import { CommandFailure, exitCodes } from "../failure.js";
import type { Connect, ConnectReason } from "./connects.js";
import type { Narrator } from "./narrator.js";
import type { Readings } from "./readings.js";
import type { RenewalService } from "./renewal.js";
import { reasons, type Rotation } from "./report.js";

/** Milliseconds in which the device must connect; after a lost network it waits up to a second before it tries. */
const connectTime = 15_000;

/** Milliseconds in which it must have published, and gone to sleep. */
const publishTime = 10_000;

/** A device that will not even try again for so many milliseconds is not waited for. */
const patience = 5_000;

/** Milliseconds for which the network is gone. */
const outage = 300;

export interface StoryOptions {
  readonly board: Pick<Board, "powerOn" | "powerCut" | "network" | "waitFor">;
  readonly readings: Readings;
  readonly narrator: Narrator;
  /** Puts the device's report beside what network and broker saw. */
  readonly observe: (reason: ConnectReason, event: BoardEvent) => Promise<Connect>;
  /** Has the certificate renewed; without it the story has no rotation. */
  readonly renewal: Pick<RenewalService, "renew"> | undefined;
  /** Of the certificate that the device was provisioned with. */
  readonly serialNumber: string;
  /** Takes the rotation once it is done. */
  readonly onRotation: (rotation: Rotation) => void;
}

/**
 * Tells the story.
 * @param connects takes each connect as it happens, so that a story that breaks off still has its beginning
 */
export async function tellStory(options: StoryOptions, connects: Connect[]): Promise<void> {
  const { board, readings, narrator } = options;

  const connected = async (reason: ConnectReason, how = ""): Promise<void> => {
    const event = await board.waitFor(
      (event) => event.event === "connect" || hasGivenUp(event),
      connectTime,
      `the connect after "${reasons[reason]}"`,
    );
    if (hasGivenUp(event))
      throw new CommandFailure(
        exitCodes.failed,
        "CONNECTION_LOST",
        `The device could not connect after "${reasons[reason]}": ${String(event["message"] ?? "it does not say why.")}`,
      );
    const connect = await options.observe(reason, event);
    connects.push(connect);
    narrator.connect(connect, how);
  };
  const published = async (): Promise<void> => {
    const { sent, received } = await readings.settled(publishTime);
    narrator.line(
      `${sent} readings published so far; the back end has ${received === sent ? "all of them" : received}.`,
    );
  };

  narrator.chapter("Power on: the device wakes and connects for the first time.");
  await board.powerOn();
  await connected("power-on");

  narrator.chapter("The network is lost without a goodbye, and comes back.");
  await board.network(false);
  await new Promise((resolve) => setTimeout(resolve, outage));
  await board.network(true);
  await connected("network-cut");
  await published();

  narrator.chapter("Deep sleep, then wake: a new process that knows what retained memory held.");
  await connected("deep-sleep", " from retained memory");
  await published();

  narrator.chapter("Power cut in the middle of it all, then power on: a new process that knows what storage held.");
  await board.powerCut();
  await board.powerOn();
  await connected("power-cut", " from storage");
  await published();

  const { renewal } = options;
  if (renewal === undefined) return;
  narrator.chapter("Rotation: the back end has the device renew its certificate. The new key is born on the device.");
  const { serialNumber } = await renewal.renew(publishTime);
  narrator.line(`The request is signed; the device connects with certificate ${brief(serialNumber)}, to prove it.`);
  // Known with the CONNACK; what the connect cost is known a moment later.
  const { version, outcome } = await board.waitFor(
    (event) => event.event === "rotated",
    connectTime,
    "the end of the rotation",
  );
  await connected("rotation");
  options.onRotation({
    version: Number(version),
    outcome: String(outcome),
    oldCertificate: options.serialNumber,
    newCertificate: serialNumber,
  });
  narrator.line(
    outcome === "committed"
      ? `Accepted, so it is in force: version ${String(version)} of the credentials; ${brief(options.serialNumber)} is gone.`
      : `It is ${String(outcome)}: ${brief(options.serialNumber)} stays in force.`,
  );
  await published();

  narrator.chapter("Deep sleep, then wake: the session of the new certificate.");
  await connected("after-rotation", " from retained memory");
  await published();
}

function brief(serialNumber: string): string {
  return `${serialNumber.slice(0, 8)}…`;
}

/** Whether the device waits long before it tries again: it does after a refusal, and after the loss of a connection that was good. */
function hasGivenUp({ event, willRetryIn }: BoardEvent): boolean {
  return event === "disconnected" && typeof willRetryIn === "number" && willRetryIn > patience;
}
