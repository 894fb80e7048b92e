"""Runs a command once for each file named on standard input and says what it cost:
python3 measure.py COMMAND...

A line of JSON each: how it ended, seconds of CPU, most memory in bytes, what it said.
"""
import json, os, resource, subprocess, sys, tempfile

# One that never ends is ended, and told as killed.
resource.setrlimit(resource.RLIMIT_CPU, (120, 120))
for line in sys.stdin:
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complained:
        child = subprocess.Popen([*sys.argv[1:], line.rstrip("\n")], stdin=subprocess.DEVNULL, stdout=said, stderr=complained)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        complained.seek(0)
        print(json.dumps({
            "code": child.returncode,
            "cpu": usage.ru_utime + usage.ru_stime,
            "memory": usage.ru_maxrss * 1024,
            "said": said.read().decode(errors="replace"),
            "complained": complained.read().decode(errors="replace"),
        }), flush=True)
