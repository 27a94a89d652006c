export * from "../../../dist/src/transport/index.js";
