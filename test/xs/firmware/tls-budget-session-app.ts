/** The firmware of tls-budget-app.ts, with a payload that is not sealed. A module of its own: what the other one needs stays the same to the byte. */
import { toUTF8 } from "../../../src/bytes.js";
import type { MQTTSession } from "../../../src/mqtt/index.js";
import { BudgetApp } from "./tls-budget-app.js";

export class BudgetSessionApp extends BudgetApp {
  protected override sealAndPublish(): void {
    const payload = toUTF8("21.5 degrees");
    void (this.link as MQTTSession).publish("telemetry", payload, { qos: 1 }).then(() => this.next());
  }
}
