/**
 * Fixture: mutual TLS, in the steps of `npm run budget`, measured by the host program: a full handshake, the open connection once its
 * ticket came, a resumed handshake. A byte goes out and back; with `mqtt` or `sealed` as the third argument a durable session runs over it, and publishes
 * a sealed message at last. What it does is in tls-budget-app.ts.
 */
import { createPlatform } from "../../../hosts/xs/index.js";
import { argument, measure } from "../../../hosts/xs/native/system.js";
import type { TLSVersion } from "../../../src/platform.js";
import { BudgetApp, type BudgetMode } from "./tls-budget-app.js";

const folder = argument(0)!;
const platform = createPlatform({ folder: `${folder}/${argument(4)}` });
measure("modules loaded", true);
new BudgetApp(platform, folder, Number(argument(1)), argument(3) as TLSVersion, argument(2) as BudgetMode).next();
