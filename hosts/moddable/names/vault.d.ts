export * from "../../../dist/src/vault/index.js";
