/** What the bench and its worker processes say to each other. */
import type { ReceiverSettings, SenderSettings } from "./contestant.js";
import type { Verdict } from "./messages.js";

export type ContestantName = "ours" | "theirs" | "bare";

/** What a worker is started for. */
export type Task =
  | { readonly kind: "send"; readonly contestant: ContestantName; readonly settings: SenderSettings }
  | {
      readonly kind: "receive";
      readonly contestant: ContestantName;
      readonly settings: Omit<ReceiverSettings, "onMessage">;
    };

/** One part of the task: `count` messages from number `first` on. */
export interface Order {
  readonly first: number;
  readonly count: number;
}

/** To a worker: prepare this; do what you prepared; end. */
export type Signal =
  { readonly kind: "prepare"; readonly order: Order } | { readonly kind: "go" } | { readonly kind: "end" };

/** What a worker tells: `ready` once, `prepared` and `done` for each order. */
export type Report =
  | { readonly kind: "ready" }
  | { readonly kind: "prepared" }
  | ({ readonly kind: "done" } & Measured)
  | { readonly kind: "failed"; readonly reason: string };

export interface Measured {
  /** Milliseconds until all was acknowledged and the broker had answered a further request, or all had arrived. */
  readonly elapsed: number;
  /** Microseconds of processor time of the whole process in that time, the system's work for it included. */
  readonly cpu: number;
  /** Of a receiver. */
  readonly verdict?: Verdict | undefined;
}
