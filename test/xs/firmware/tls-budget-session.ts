/** Fixture: tls-budget.ts with a durable session whose payload is not sealed. */
import { createPlatform } from "../../../hosts/xs/index.js";
import { argument, measure } from "../../../hosts/xs/native/system.js";
import type { TLSVersion } from "../../../src/platform.js";
import { BudgetSessionApp } from "./tls-budget-session-app.js";

const folder = argument(0)!;
const platform = createPlatform({ folder: `${folder}/${argument(4)}` });
measure("modules loaded", true);
new BudgetSessionApp(platform, folder, Number(argument(1)), argument(3) as TLSVersion, "mqtt").next();
