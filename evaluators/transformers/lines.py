"""What a warm evaluator program says and hears: JSON lines on standard input and output (docs/evaluators.md, `command`)."""
import json
import os
import sys
import traceback


class Lines:
    """Takes standard output for itself: whatever else prints there would break the protocol, so it goes to standard error."""

    def __init__(self):
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)

    def say(self, message):
        self._out.write(json.dumps(message, ensure_ascii=False) + "\n")
        self._out.flush()

    def serve(self, answer, ready):
        """`answer(request)` returns {"values": ..., "scores": ...}; what it raises becomes the candidate's reason."""
        self.say({"ready": True, **ready})
        for line in sys.stdin:
            request = json.loads(line)
            try:
                reply = answer(request)
            except Exception as error:  # any failure belongs to the candidate; the next one may be well
                traceback.print_exc()
                reply = {"error": f"{type(error).__name__}: {error}"}
            self.say({"id": request["id"], **reply})
