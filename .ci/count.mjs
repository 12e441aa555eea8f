// Reads the JSON report of the tests and prints `N passed, N failed`. Exits 1 when a test failed or none ran.
import { readFileSync } from "node:fs";

const [, , path, exitCode] = process.argv;
/** @returns {{ numPassedTests: number, numFailedTests: number, testResults: { status: string, assertionResults: { status: string }[] }[] }} */
function report() {
  try {
    return JSON.parse(readFileSync(String(path), "utf8"));
  } catch {
    return { numPassedTests: 0, numFailedTests: 0, testResults: [] };
  }
}

const { numPassedTests: passed, numFailedTests, testResults } = report();
// A file that fails before its first test reports no failed test; it counts as one.
const brokenFiles = testResults.filter(
  (file) => file.status === "failed" && !file.assertionResults.some((test) => test.status === "failed"),
).length;
let failed = numFailedTests + brokenFiles;
// An error outside every test, or a run that ended without a report.
if (failed === 0 && exitCode !== "0") failed = 1;

console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
