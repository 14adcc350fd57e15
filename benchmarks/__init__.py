"""Speed and validity, printed as ratios within one run. Not part of the tests: machines differ, ratios hold."""

import os
import tempfile

os.environ.setdefault("BTLLM_DATA_DIR", tempfile.mkdtemp(prefix="btllm-bench-"))  # no benchmark is a trial of the user
