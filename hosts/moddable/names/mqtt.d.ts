export * from "../../../dist/src/mqtt/index.js";
