export * from "../../../src/tls/index.js";
