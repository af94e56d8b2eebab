"""The tag collector: fetches a lead's website and tells which tags of marketing and analysis are live in it.

`scans.py` keeps what is to be done, `worker.py` does it by `collect.py`: fetch by robots.txt (`robots.py`), then
`charset.py` -> `markup.py` -> `script.py` -> `find.py` with `signatures.yaml`, all of them pure.
"""
