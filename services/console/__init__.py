"""The pages for people: server-rendered, live, in Japanese and English.

The console is a client of the other services and has no data of its own: a person signs in with an API key, and every
page shows what that key may see. `app.py` puts it together, `site.py` is what a page is made with, `session.py` who is
signed in, `guard.py` what a browser may do. `views/` has a module for each page, `templates/` how it looks, `texts.py`
its words. `live.py` follows the numbers for all who watch the board; `charts.py` draws.
"""
