export * from "../../../src/mqtt/index.js";
