export * from "../../../dist/src/monitor/index.js";
