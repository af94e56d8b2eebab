"""The endpoints of outreach."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from services.outreach import answers, forms, listing
from services.outreach.fit import LeadWords
from services.outreach.leads import Lead
from services.outreach.library import Library
from services.outreach.listing import Ranked
from services.outreach.uses import Use
from services.outreach.writing import Desk, Writing, language_of
from shared.web import Answer, Call, Endpoint, Paging, page, read_cursor

_SCOPE = "outreach:read"


class Routes:
    """The table of endpoints, and the handlers of what only shows content."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._writing = Writing(desk)

    def table(self) -> list[Endpoint]:
        def get(path: str, handler: Any, summary: str, answer: Any, query: Any, *more: int) -> Endpoint:
            return Endpoint(
                method="GET",
                path=path,
                handler=handler,
                scope=_SCOPE,
                summary=summary,
                query=query,
                answers={200: answer, **dict.fromkeys(more)},
            )

        def post(path: str, handler: Any, summary: str, body: Any, answers: dict[int, Any]) -> Endpoint:
            return Endpoint(
                method="POST", path=path, handler=handler, scope=_SCOPE, summary=summary, body=body, answers=answers
            )

        write, one = self._writing, forms.OneQuery
        sent = {200: answers.SentMail, 404: None, 409: Any, 410: None}
        rendered = {200: answers.RenderedText, 404: None, 409: Any, 410: None}
        used = {201: Use, 404: None, 410: None}
        template, snippet = "/v1/templates/{id}", "/v1/snippets/{id}"
        fit = "Case studies; for a lead the best fit first, and why"
        mail = post(f"{template}/send", write.send_template, "Mail a template to a lead", forms.SendForm, sent)
        return [
            get(
                "/v1/templates",
                self.templates,
                "Templates of mails, letters and messages",
                answers.Templates,
                forms.TemplatesQuery,
            ),
            get(template, self.template, "A template as it is written", answers.Template, one),
            post(f"{template}/render", write.render_template, "A template for a lead", forms.RenderForm, rendered),
            replace(mail, scope="activities:write"),  # it tells of a touch
            get("/v1/snippets", self.snippets, "Snippets: pieces of text", answers.Snippets, forms.SnippetsQuery),
            get(snippet, self.snippet, "A snippet as it is written", answers.Snippet, one),
            post(f"{snippet}/render", write.render_snippet, "A snippet for a lead", forms.SnippetForm, rendered),
            get("/v1/talks", self.talks, "Chalk talks of a product", answers.Talks, forms.TalksQuery),
            get("/v1/talks/{id}", self.talk, "A chalk talk", answers.Talk, one),
            get("/v1/case-studies", self.case_studies, fit, answers.CaseStudies, forms.CaseStudiesQuery, 404, 410),
            get("/v1/case-studies/{id}", self.case_study, "A case study", answers.CaseStudy, one),
            post("/v1/uses", write.use, "Tell that content was used for a lead", forms.UseForm, used),
        ]

    async def templates(self, call: Call[None, forms.TemplatesQuery]) -> Answer:
        query, library = call.query, self._desk.folder.library
        found = listing.templates(library, query.occasion, query.channel, query.q)
        return _page(library, query, found, lambda one: answers.template_item(one.piece))

    async def template(self, call: Call[None, forms.OneQuery]) -> Answer:
        return Answer(
            answers.template(self._desk.piece("template", call.path["id"]), language_of(call, call.query.language))
        )

    async def snippets(self, call: Call[None, forms.SnippetsQuery]) -> Answer:
        library, language = self._desk.folder.library, language_of(call, call.query.language)
        found = listing.snippets(library, call.query.q)
        return _page(library, call.query, found, lambda one: answers.snippet(one.piece, language))

    async def snippet(self, call: Call[None, forms.OneQuery]) -> Answer:
        return Answer(
            answers.snippet(self._desk.piece("snippet", call.path["id"]), language_of(call, call.query.language))
        )

    async def talks(self, call: Call[None, forms.TalksQuery]) -> Answer:
        library = self._desk.folder.library
        found = listing.talks(library, call.query.product, call.query.q)
        return _page(library, call.query, found, lambda one: answers.talk_item(one.piece))

    async def talk(self, call: Call[None, forms.OneQuery]) -> Answer:
        piece = self._desk.piece("talk", call.path["id"])
        return Answer(answers.talk(piece, language_of(call, call.query.language)))

    async def case_studies(self, call: Call[None, forms.CaseStudiesQuery]) -> Answer:
        query, library = call.query, self._desk.folder.library
        lead = await self._desk.lead(query.lead_id) if query.lead_id else None
        words = None if lead is None else _words_of(lead)
        found = listing.case_studies(library, query.industry, query.usage, query.q, words)
        answer = _page(library, query, found, lambda one: answers.case_study_item(one.piece, one.why))
        if lead is not None:
            answer.body["lead_id"] = lead.lead_id
        return answer

    async def case_study(self, call: Call[None, forms.OneQuery]) -> Answer:
        piece = self._desk.piece("case_study", call.path["id"])
        return Answer(answers.case_study(piece, language_of(call, call.query.language)))


def _page(library: Library, paging: Paging, found: Sequence[Ranked], item: Callable[[Ranked], Any]) -> Answer:
    after = read_cursor(paging.cursor, forms.Place)
    left = found if after is None else [one for one in found if (one.rank, one.piece.id) > (after.rank, after.id)]
    shown = page(left, paging.limit, lambda one: forms.Place(one.rank, one.piece.id))
    return Answer(
        {
            "items": [item(one) for one in shown["items"]],
            "next_cursor": shown["next_cursor"],
            "problems": list(library.problems),
        }
    )


def _words_of(lead: Lead) -> LeadWords:
    """What is known of a lead that says which cases are like it."""

    def said(field: str) -> str:
        observation = lead.values.get(field)
        parts = (observation.value, observation.quote) if observation else ()
        return " ".join(part for part in parts if isinstance(part, str))

    employees = lead.values.get("employees")
    count = employees.value if employees else None
    return LeadWords(said("industry"), said("usage"), said("needs"), count if isinstance(count, int) else None)
