/**
 * What AWS IoT Core needs to know of the devices: a provisioning template, a policy, and one line of parameters per device, as
 * `aws iot start-thing-registration-task` takes them (AWS IoT Core, "Bulk registration").
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { createFolder, readFile, replaceFile } from "../files.js";
import { usageFailure } from "../failure.js";
import { fromPEM, toPEM } from "../pki/index.js";

/** Each device may use its own topics, below its client identifier, which is the thing's name. */
export const leastPrivilege = {
  Version: "2012-10-17",
  Statement: [
    {
      Effect: "Allow",
      Action: "iot:Connect",
      Resource: "arn:aws:iot:*:*:client/${iot:Connection.Thing.ThingName}",
      Condition: { Bool: { "iot:Connection.Thing.IsAttached": "true" } },
    },
    {
      Effect: "Allow",
      Action: ["iot:Publish", "iot:Receive"],
      Resource: "arn:aws:iot:*:*:topic/${iot:Connection.Thing.ThingName}/*",
    },
    {
      Effect: "Allow",
      Action: "iot:Subscribe",
      Resource: "arn:aws:iot:*:*:topicfilter/${iot:Connection.Thing.ThingName}/*",
    },
  ],
} as const;

/** Largest policy document of AWS IoT Core, in characters without white space. */
const longestPolicy = 2048;

/** A policy that the user brings: `sealwire permissions export --to aws` makes one. */
export function readPolicy(file: string): object {
  const text = readFile(file);
  if (text === undefined) throw usageFailure(`There is no file ${file} (--aws-policy).`);
  let policy: unknown;
  try {
    policy = JSON.parse(text);
  } catch {
    throw usageFailure(`${file} (--aws-policy) is not JSON.`);
  }
  const { Version, Statement } = (policy ?? {}) as { Version?: unknown; Statement?: unknown };
  if (typeof policy !== "object" || Version !== "2012-10-17" || !Array.isArray(Statement) || Statement.length === 0)
    throw usageFailure(`${file} (--aws-policy) is no policy: it needs Version 2012-10-17 and a list of statements.`);
  if (JSON.stringify(policy).replace(/\s/g, "").length > longestPolicy)
    throw usageFailure(`The policy in ${file} is longer than the ${longestPolicy} characters that AWS IoT Core takes.`);
  return policy as object;
}

/** @throws CommandFailure with exit code 2 (AWS IoT API reference, CreateThing) */
export function checkThingName(name: string): void {
  if (!/^[A-Za-z0-9:_-]{1,128}$/.test(name))
    throw usageFailure(
      `"${name}" cannot be the name of a thing of AWS IoT Core: it takes letters, digits, colons, underscores and hyphens.`,
    );
}

const template = {
  Parameters: {
    ThingName: { Type: "String" },
    CertificatePem: { Type: "String" },
    CACertificatePem: { Type: "String" },
  },
  Resources: {
    thing: { Type: "AWS::IoT::Thing", Properties: { ThingName: { Ref: "ThingName" } } },
    certificate: {
      Type: "AWS::IoT::Certificate",
      Properties: {
        CertificatePem: { Ref: "CertificatePem" },
        CACertificatePem: { Ref: "CACertificatePem" },
        Status: "ACTIVE",
      },
    },
    policy: { Type: "AWS::IoT::Policy", Properties: { PolicyName: "sealwire-device" } },
  },
} as const;

/**
 * Writes the files anew from the folders of the devices, so that they fit whatever runs and interruptions there were.
 * @returns their folder
 */
export function writeAWS(folder: string, devices: string, issuing: Uint8Array, policy: object): string {
  const aws = path.join(folder, "aws");
  createFolder(aws, 0o700);
  replaceFile(path.join(aws, "policy.json"), `${JSON.stringify(policy, undefined, 2)}\n`);
  replaceFile(path.join(aws, "template.json"), `${JSON.stringify(template, undefined, 2)}\n`);
  const CACertificatePem = toPEM("CERTIFICATE", issuing);
  replaceFile(path.join(aws, "things.jsonl"), thingsIn(devices, CACertificatePem));
  return aws;
}

/** A line for each device; piece by piece, since a fleet may be large. */
function* thingsIn(devices: string, CACertificatePem: string): Generator<string> {
  for (const name of fs.readdirSync(devices).sort()) {
    const [certificate] = name.startsWith(".")
      ? []
      : fromPEM("CERTIFICATE", readFile(path.join(devices, name, "device.crt")) ?? "");
    if (certificate === undefined) continue;
    const CertificatePem = toPEM("CERTIFICATE", certificate);
    yield `${JSON.stringify({ ThingName: name, CertificatePem, CACertificatePem })}\n`;
  }
}
