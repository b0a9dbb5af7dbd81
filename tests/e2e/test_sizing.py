"""docs/sizing.md says what its script computes, of the figures that are measured elsewhere."""

import re

from samtranslator.yaml_helper import yaml_parse

import sizing
from tools import ROOT


def test_the_tables_are_those_that_the_script_computes():
    page = sizing.PAGE.read_text()
    assert page == sizing.written(page), "python3 local/sizing.py"


def test_the_figures_are_those_of_the_template_and_the_other_pages():
    template = yaml_parse((ROOT / "template.yaml").read_text())["Parameters"]
    assert template["RetryConcurrency"]["Default"] == sizing.RETRY_CONCURRENCY
    assert template["RetryBaseSeconds"]["Default"] == sizing.BASE_SECONDS
    assert template["RetryMaxSeconds"]["Default"] == sizing.MAX_SECONDS
    assert template["MemorySize"]["Default"] == sizing.MEMORY_GB * 1024
    costs = sizing.COSTS.read_text()
    for price in (r"\$0\.20 per million invocations", r"\$0\.0000166667 per GB-second", r"SQS FIFO \$0\.50 per million",
                  r"CloudWatch Logs \$0\.50 per GB"):
        assert re.search(price, costs), price
    assert len(sizing.billed_times()) >= 5


def test_a_new_accounts_single_events_are_what_was_measured():
    assert round(sizing.NEW_ACCOUNT_INSTANCES / sizing.billed_times()["inline", 1]) == 52
