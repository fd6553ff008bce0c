"""A verdict as JUnit XML, which CI systems show as tests: one test case per check."""

from xml.etree import ElementTree as ET

from ff2neuro.validation.verdict import Check, Verdict

__all__ = ["render_junit"]


def render_junit(verdict: Verdict) -> str:
    """Return a verdict as JUnit XML.

    Parameters
    ----------
    verdict : Verdict
        What to write.

    Returns
    -------
    str
        An XML document.
    """
    failures = len(verdict.failed_checks)
    suite = ET.Element(
        "testsuite",
        name="ff2neuro validate",
        tests=str(len(verdict.checks)),
        failures=str(failures),
        errors="0",
        skipped="0",
    )
    properties = ET.SubElement(suite, "properties")
    for name, value in (
        ("backend", f"{verdict.backend.name} {verdict.backend.version}"),
        ("n_samples", verdict.n_samples),
        ("n_time_steps", verdict.n_time_steps),
        ("max_spikes_per_step", verdict.max_spikes_per_step),
        ("analog.accuracy", verdict.analog.accuracy),
        ("spiking.accuracy", verdict.spiking.accuracy),
    ):
        ET.SubElement(properties, "property", name=name, value=str(value))
    for check in verdict.checks:
        _add_case(suite, check)
    if verdict.findings:
        ET.SubElement(suite, "system-out").text = "\n".join(verdict.findings)
    root = ET.Element("testsuites", tests=str(len(verdict.checks)), failures=str(failures))
    root.append(suite)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _add_case(suite: ET.Element, check: Check) -> None:
    name = f"{check.figure} {check.relation} {check.limit:g}"
    case = ET.SubElement(suite, "testcase", classname="ff2neuro.verdict", name=name)
    if not check.passed:
        ET.SubElement(case, "failure", message=str(check), type="threshold")
