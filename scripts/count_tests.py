"""Reads what one run of orrery_tests left: prints `passed failed skipped`, and on stderr every failure.

  python3 scripts/count_tests.py XML CONSOLE STATUS

XML is Catch2's XML report, CONSOLE what the binary wrote itself, STATUS its exit status. A test case that does not
run says so in one line, `skipped: reason`; Catch2 counts it as passed, this does not. A run that broke off counts
as one more failure, so that no crash looks like success.
"""

import re
import sys
import xml.etree.ElementTree as ElementTree


def show_failures(case):
    name, where = case.get("name"), f'{case.get("filename")}:{case.get("line")}'
    print(f"FAILED: {name} ({where})", file=sys.stderr)
    for bad in case.iter():
        at = f'{bad.get("filename")}:{bad.get("line")}'
        thrown = bad.find("Exception") is not None or bad.find("FatalErrorCondition") is not None
        if bad.tag == "Expression" and bad.get("success") == "false" and not thrown:
            print(f'  {at}: {bad.get("type")}({(bad.findtext("Original") or "").strip()})', file=sys.stderr)
            print(f'    with {(bad.findtext("Expanded") or "").strip()}', file=sys.stderr)
        elif bad.tag in ("Failure", "FatalErrorCondition", "Exception"):
            print(f"  {at}: {(bad.text or bad.tag).strip()}", file=sys.stderr)
        elif bad.tag in ("Info", "Warning") and bad.text:
            print(f"    {bad.text.strip()}", file=sys.stderr)


def main(xml, console, status):
    passed = failed = 0
    captured = ""
    try:
        cases = ElementTree.parse(xml).getroot().iter("TestCase")
        for case in cases:
            result = case.find("OverallResult")
            if result is not None and result.get("success") == "true":
                passed += 1
            else:
                failed += 1
                show_failures(case)
            captured += "".join(f"{e.text}\n" for e in case.iter() if e.tag in ("StdOut", "StdErr"))
    except (OSError, ElementTree.ParseError) as error:
        passed, failed = 0, 1
        print(f"the report of the tests is unreadable ({error}): the run broke off", file=sys.stderr)
    with open(console, encoding="utf-8", errors="replace") as file:
        skipped = len(re.findall(r"^skipped:", file.read() + "\n" + captured, re.M))
    if status != 0 and failed == 0:
        failed = 1
        print(f"orrery_tests exited {status} without a failed test", file=sys.stderr)
    if status == 0 and passed + failed == 0:
        failed = 1
        print("no test ran", file=sys.stderr)
    print(max(0, passed - skipped), failed, skipped)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
