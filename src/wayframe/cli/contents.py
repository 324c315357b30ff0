"""Which module of `cli` has which commands, and the line that the list of commands has for each, so that help is quick.

A line is the beginning of the command's own help, short enough to stand whole in a terminal of 80 columns; a test holds
that, and that no command is missing.
"""

from __future__ import annotations

CONTENTS: dict[str, dict[str, str]] = {
    "make": {
        "run": "Render a video from a spec, from pictures, from a plan",
        "demo": "Render the demo trip",
    },
    "join": {
        "join": "Join videos: what lies between two of them is rendered",
        "regenerate": "Render a span of a video anew",
    },
    "look": {
        "plan": "Show every step that a run would do",
        "lint": "Say what is allowed, but probably not meant",
        "show": "Show a run, a running one too, or what a video carries",
        "runs": "List the runs of the home folder, imported ones too",
        "schema": "Print the JSON schema of specs, for editors",
    },
    "comparing": {"compare": "Say what differs between runs and what it means"},
    "inspecting": {"inspect": "Measure a video, and draw it as curves"},
    "after": {"finish": "Make a final file of a video: trim, enlarge, interpolate"},
    "setup": {
        "new": "Write a commented spec for a folder of pictures",
        "doctor": "Check versions, codecs, space and the home folder",
    },
    "models": {"models": "Weights of models: what is here, and how it gets here"},
    "queue": {
        "submit": "Queue a video for the workers, and print its run's id",
        "follow": "Watch a run until it ends, then fetch its files",
        "cancel": "Stop a run; what is rendered is kept",
        "resume": "Go on with a run that was cancelled",
        "retry": "Try what is missing of a run that failed once more",
        "redo": "Make one segment of a run again in another way",
        "queue": "Show what runs where, what waits and why, and who works",
        "rm": "Forget runs that have ended",
        "gc": "Remove segments and input files that no run refers to",
    },
    "database": {"db": "The database of the queue: its tables"},
    "serving": {
        "up": "Render what is submitted, on this machine",
        "worker": "Render what waits in the queue with one GPU",
        "orchestrator": "Begin and finish runs, and hand on the work of dead workers",
    },
    "serve": {"serve": "Serve the page and its API until Ctrl-C"},
    "logs": {"logs": "Read debug logs, upstream's and our own"},
    "exchange": {
        "import": "Make a spec of an upstream payload",
        "export": "Write a spec or a run as an upstream payload",
    },
    "prompts": {"prompts": "Show the prompt of each segment of a run or a video"},
}
