export * from "../../../dist/src/tls/index.js";
