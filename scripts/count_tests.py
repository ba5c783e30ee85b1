#!/usr/bin/env python3
"""Counts the test cases of a Catch2 XML report: prints `passed failed`; fails when the report is cut short."""
import sys
import xml.etree.ElementTree as tree

good = bad = 0
for case in tree.parse(sys.argv[1]).getroot().iter("TestCase"):
    result = case.find("OverallResult")
    if result is not None and result.get("success") == "true":
        good += 1
    else:
        bad += 1
print(good, bad)
