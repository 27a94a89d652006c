export * from "../../../src/transport/index.js";
