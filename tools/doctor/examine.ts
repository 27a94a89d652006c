/** All checks, in the order in which one makes the next possible. */
import { checkOwnCertificate, checkServerCertificates } from "./certificates.js";
import { checkConnect, checkLimits, checkStrangers, checkTopics } from "./mqtt-checks.js";
import { checkNetwork } from "./network.js";
import type { Report } from "./report.js";
import type { Target } from "./target.js";
import { checkFragmentLength, checkResumption, checkVersions } from "./tls-features.js";

export async function examine(given: Target, report: Report): Promise<void> {
  const own = checkOwnCertificate(given, report);
  // What the broker is like can be told without it.
  const target = own ? given : { ...given, certificate: undefined, key: undefined };
  if (!(await checkNetwork(target, report))) return;
  const spoken = await checkVersions(target, report);
  const trusted = await checkServerCertificates(target, report);
  await checkFragmentLength(target, report);
  // Nobody who may be somebody else is told a password.
  if (!own || (!trusted && target.password !== undefined)) {
    report.skip(
      "connect",
      "MQTT was not tried: what failed above comes first, and no password is sent to a broker that is not trusted.",
    );
    return;
  }
  const probe = await checkConnect(target, report);
  if (probe === undefined) return;
  const version5 = probe.version === 5;
  try {
    if (version5) checkLimits(probe.connack, report);
    else report.skip("limits", "By MQTT 3.1.1 a broker tells nothing of its limits.");
    await checkTopics(probe, version5, target, report);
  } finally {
    await probe.close();
  }
  await checkStrangers(target, report);
  await checkResumption(target, spoken, report);
}
