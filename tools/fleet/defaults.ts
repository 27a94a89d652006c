/** What `fleet.json` says takes the place of options that were not given. */
import type { Command } from "commander";
import { usageFailure } from "../failure.js";
import { credentialFilesOf, type Fleet, fleetFileName, readFleet } from "./fleet-file.js";

type Values = Readonly<Record<string, unknown>>;

/** Called before the action of a command. @throws CommandFailure when `fleet.json` is wrong, or is needed and missing */
export function applyFleet(command: Command): void {
  const path: string[] = [];
  for (let each = command; each.parent !== null; each = each.parent) path.unshift(each.name());
  const group = path[0] === "broker" ? path.join(" ") : (path[0] ?? "");
  const values = valuesFor[group];
  if (values === undefined) return;
  const given = (name: string): boolean => {
    const source = command.getOptionValueSource(name);
    return source !== undefined && source !== "default";
  };
  const fleet = readFleet();
  // A broker without its address is that of the fleet.
  const broker = group === "open" && command.getOptionValue("broker") === true;
  if (broker && fleet === undefined) throw usageFailure(`--broker without a URL needs a ${fleetFileName} here.`);
  if (fleet === undefined) return;
  if (broker) command.setOptionValueWithSource("broker", undefined, "default");
  for (const [name, value] of Object.entries(values(fleet, given, broker)))
    if (value !== undefined && !given(name)) command.setOptionValueWithSource(name, value, "config");
}

type ValuesOf = (fleet: Fleet, given: (name: string) => boolean, broker: boolean) => Values;

const brokerValues: ValuesOf = ({ broker, pki, permissions, users }, given) => {
  const { host, port } = addressOf(broker);
  const own = ["ca", "cert", "key"].some(given);
  const ownRules = ["permissions", "acl", "dynamicSecurity", "userPermissions"].some(given);
  return {
    ...(!own && { pki }),
    ...(!own && !given("pki") && { server: host }),
    ...(!ownRules && { permissions, userPermissions: Object.entries(users).map((pair) => pair.join("=")) }),
    port: String(port),
  };
};

const valuesFor: Readonly<Record<string, ValuesOf>> = {
  pki: ({ pki, passphraseFile }, given) => ({ pki, ...(!given("pki") && passphraseOf(passphraseFile)) }),
  provision: ({ pki, passphraseFile, broker, permissions, fleetRoot, epoch }, given) => ({
    pki,
    ...(!given("pki") && passphraseOf(passphraseFile)),
    broker,
    permissions,
    fleetRoot,
    ...(!given("fleetRoot") && { epoch: String(epoch) }),
  }),
  "broker run": brokerValues,
  "broker config": (fleet, given, broker) => brokerValues(fleet, given, broker),
  seal: (fleet, given) => secretsOf(fleet, given),
  open: (fleet, given, broker) => ({
    ...secretsOf(fleet, given),
    ...(broker && { broker: `mqtts://${fleet.broker}`, ...credentialFilesOf(fleet, fleet.backEnd) }),
  }),
};

/** The environment goes before the file. */
function passphraseOf(passphraseFile: string | undefined): Values {
  return process.env["SEALWIRE_PKI_PASSPHRASE"] === undefined ? { passphraseFile } : {};
}

function secretsOf({ fleetRoot, epoch }: Fleet, given: (name: string) => boolean): Values {
  return given("secret") || given("fleetRoot") ? {} : { fleetRoot, epoch: String(epoch) };
}

/** @param broker `host:port`, where an IPv6 address stands in brackets */
export function addressOf(broker: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/?#@[\]]+))(?::(\d{1,5}))?$/.exec(broker);
  const port = Number(match?.[3] ?? 8883);
  const host = match?.[1] ?? match?.[2] ?? "";
  if (!match || port < 1 || port > 65_535) throw usageFailure(`The broker must be host:port, not ${broker}.`);
  return { host, port };
}
