export * from "../../../src/monitor/index.js";
