/** `npm run docs:errors`: writes docs/errors.md. */
import * as fs from "node:fs";
import * as path from "node:path";
import { replaceFile } from "../files.js";
import { packageFolder } from "../paths.js";
import { errorReference, readErrorCodes } from "./error-reference.js";

const source = fs.readFileSync(path.join(packageFolder, "src", "errors.ts"), "utf8");
replaceFile(path.join(packageFolder, "docs", "errors.md"), errorReference(readErrorCodes(source)));
