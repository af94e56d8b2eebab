"""KPIs of companies, for the tests: five as inside-sales companies ask for them, and one more of each kind that those
leave out."""

from tests.metrics.own import entry

FIVE = """
  # A vendor of HR software lives on its seminars: who came, not who was invited.
  - id: seminar_attendances
    name: {ja: セミナー参加数, en: Seminar attendances}
    definition: {ja: 見込み顧客がセミナーに参加した数。, en: Attendances of leads at our seminars.}
    purpose: {ja: どのセミナーが人を集めるかを知る。, en: Shows which seminars people come to.}
    unit: count
    class: activity
    kind: count
    owner: marketing
    good: up
    facts: {name: activity, type: touch, channel: seminar, outcome: attended}

  # A security company writes to executives by hand, and must know whether that is worth its while.
  - id: letters
    name: {ja: 手紙の数, en: Letters}
    definition: {ja: 役員に送った手紙の数。, en: Letters sent to executives.}
    purpose: {ja: 返信率の分母。, en: The base of the reply rate.}
    unit: count
    class: activity
    kind: count
    owner: inside_sales
    good: neither
    facts: {name: activity, type: touch, channel: cxo_letter, direction: outbound, outcome: sent}
  - id: letter_replies
    name: {ja: 手紙への返信数, en: Replies to letters}
    definition: {ja: 役員への手紙に対する返信の数。, en: Replies of executives to our letters.}
    purpose: {ja: 返信率の分子。, en: The upper part of the reply rate.}
    unit: count
    class: activity
    kind: count
    owner: inside_sales
    good: up
    facts: {name: activity, type: touch, channel: cxo_letter, outcome: replied}
  - id: letter_reply_rate
    name: {ja: 手紙の返信率, en: Reply rate of letters}
    definition: {ja: 手紙への返信数 ÷ 手紙の数。, en: Replies per letter.}
    purpose: {ja: 手紙を続けるかを決める。, en: Tells whether to go on writing.}
    unit: ratio
    class: efficiency
    kind: ratio
    owner: inside_sales
    good: up
    numerator: letter_replies
    denominator: letters

  # A maker of two products prices each by what its customers really pay.
  - id: platform_deal_size
    name: {ja: 基盤製品の平均取引サイズ, en: Deal size of the platform}
    definition: {ja: 製品 platform の成約一件あたりの金額。, en: "Booked amount per deal of the product platform."}
    purpose: {ja: 値引きが広がっていないかを見る。, en: Shows whether discounts spread.}
    unit: money
    class: efficiency
    kind: mean
    owner: field_sales
    good: up
    facts: {name: close, outcome: won, product: platform}

  # A consultancy plans its year by how long large companies take to decide.
  - id: enterprise_cycle_days
    name: {ja: 大企業の検討日数, en: Sales cycle in enterprise}
    definition: {ja: 大企業の商談が作られてから受注までの日数。, en: Days from creation to winning in enterprise.}
    purpose: {ja: 売上の時期を見通す。, en: Tells when revenue can be expected.}
    unit: days
    class: efficiency
    kind: duration
    owner: field_sales
    good: down
    facts: {name: sales_cycle, segment: enterprise}

  # A start-up watches which of its products opens doors.
  - id: product_mix
    name: {ja: 商談の製品構成, en: Product mix}
    definition: {ja: 期間の商談のうち、各製品が占める割合。, en: "Each product's part of the opportunities."}
    purpose: {ja: 何を勧めるかを決める。, en: Tells what to offer first.}
    unit: ratio
    class: result
    kind: share
    owner: inside_sales
    good: neither
    of: opportunities
    across: product
"""


OTHER_KINDS = "".join(
    [
        entry(
            "enterprise_talk_time",
            "seconds",
            "sum",
            "facts: {name: activity, type: call, direction: outbound, outcome: conversation, segment: enterprise}",
        ),
        entry(
            "letter_points",
            "points",
            "points",
            'facts: {name: appointment, channel: cxo_letter}\n    points: {A: {A: 20, B: 15, C: 12}, "": {C: 5}}',
        ),
        entry("prepared_appointments", "count", "count", "facts: {name: appointment, rank: [A, B]}"),
        entry("prepared_share", "ratio", "ratio", "numerator: prepared_appointments\n    denominator: appointments"),
        entry("open_platform_amount", "money", "stock", "facts: {name: open_pipeline, product: platform}"),
        entry("platform_amount", "money", "sum", "facts: {name: close, outcome: won, product: platform}"),
        entry(
            "platform_coverage",
            "ratio",
            "coverage",
            "numerator: open_platform_amount\n    denominator: platform_amount",
        ),
        entry("weekly_seminar_guests", "count", "trailing", "of: seminar_attendances\n    weeks: 2"),
        entry("return_on_spend", "ratio", "ratio", "numerator: booked_amount\n    denominator: spend"),
    ]
)
OWN = FIVE + OTHER_KINDS
IDS = [line.removeprefix("  - id: ") for line in OWN.splitlines() if line.startswith("  - id: ")]
