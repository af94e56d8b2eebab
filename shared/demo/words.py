"""The words that the demo's world is made of. All names are invented. Pure data."""

from typing import Final

COMPANY_FIRST: Final = (
    ("ほし", "hoshi"), ("そら", "sora"), ("つき", "tsuki"), ("もり", "mori"), ("かぜ", "kaze"), ("ゆき", "yuki"),
    ("はな", "hana"), ("みね", "mine"), ("すず", "suzu"), ("あさ", "asa"), ("こと", "koto"), ("にじ", "niji"),
)  # fmt: skip
COMPANY_SECOND: Final = (
    ("なみ", "nami"), ("かけ", "kake"), ("みち", "michi"), ("いろ", "iro"), ("まち", "machi"), ("ふね", "fune"),
    ("のは", "noha"), ("しろ", "shiro"), ("たび", "tabi"), ("のわ", "nowa"), ("さと", "sato"),
)  # fmt: skip
TRADES: Final = (
    ("精機", "seiki", "製造"), ("製作所", "works", "製造"), ("化学", "kagaku", "製造"), ("食品", "foods", "食品"),
    ("物流", "logi", "物流"), ("倉庫", "soko", "物流"), ("ソフト", "soft", "IT"), ("データ", "data", "IT"),
    ("商事", "shoji", "卸売"), ("建設", "kensetsu", "建設"), ("不動産", "estate", "不動産"),
    ("医療機器", "medical", "医療"), ("人材", "jinzai", "人材"),
)  # fmt: skip
"""Ending of the name, the same in Latin letters, industry."""

LAST_NAMES: Final = (
    ("青木", "aoki"), ("石井", "ishii"), ("上野", "ueno"), ("遠藤", "endo"), ("岡田", "okada"), ("加藤", "kato"),
    ("木村", "kimura"), ("小林", "kobayashi"), ("斎藤", "saito"), ("清水", "shimizu"),
    ("高木", "takagi"), ("千葉", "chiba"),
    ("中島", "nakajima"), ("西村", "nishimura"), ("野口", "noguchi"), ("橋本", "hashimoto"), ("平野", "hirano"),
    ("藤田", "fujita"), ("松本", "matsumoto"), ("三浦", "miura"), ("森", "mori"), ("山口", "yamaguchi"),
    ("吉田", "yoshida"),
)  # fmt: skip
FIRST_NAMES: Final = (
    ("彩", "aya"), ("大輔", "daisuke"), ("恵美", "emi"), ("英樹", "hideki"), ("一郎", "ichiro"), ("純", "jun"),
    ("健太", "kenta"), ("真由美", "mayumi"), ("直樹", "naoki"), ("理恵", "rie"), ("翔", "sho"),
    ("拓也", "takuya"), ("優子", "yuko"), ("芽衣", "mei"),
)  # fmt: skip

DECIDERS: Final = ("代表取締役", "取締役", "執行役員", "営業本部長", "情報システム部長")
OTHERS: Final = ("課長", "係長", "主任", "担当", "マネージャー")
USAGES: Final = (
    "架電リストの一元管理", "問い合わせの初動を早くしたい", "商談化率の可視化", "営業とマーケの引き継ぎ改善",
    "休眠顧客の掘り起こし", "海外拠点も含めたリード管理",
)  # fmt: skip
TAGS: Final = ("gtm:GTM-DEMO01", "ga4:G-DEMO000002", "hotjar:1000003", "hubspot:1000004", "clarity:demo000005")

QUOTES: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "needs": {
        "confirmed": (
            "問い合わせへの折り返しが翌日になってしまい、もう何件も失注しています。",
            "Excelの管理が限界で、誰がいつ電話したか分からないんです。",
            "来期は新規を倍にする計画なのに、商談の数が足りません。",
            "引き継ぎの情報が足りないと営業から毎週のように言われます。",
        ),
        "assumed": ("まあ、あれば便利だとは思いますね。", "他社さんがやっているなら気にはなります。"),
        "denied": ("今の仕組みで困っていないんですよ。", "先月、別のツールを入れたばかりなので。"),
        "unknown": ("詳しい者が席を外しておりまして。",),
    },
    "authority": {
        "confirmed": ("最後は私が決めます。", "この件の決裁は部長の私に任されています。"),
        "assumed": ("たぶん部長が決めるはずです。",),
        "denied": ("決めるのは本社の情報システム部です。", "私には決められません、社長案件ですね。"),
        "unknown": ("誰が決めるか、社内でまだ決まっていません。",),
    },
    "budget": {
        "confirmed": ("今期の枠で300万円まで取ってあります。", "予算は上期のうちに承認をもらいました。"),
        "assumed": ("良いものなら予算は付けられると思います。",),
        "denied": ("今年度の予算はもう使い切りました。",),
        "unknown": ("金額を見てからでないと何とも言えません。",),
    },
    "timeframe": {
        "confirmed": ("4月の組織変更に間に合わせたいです。", "年内に始めないと来期の計画に載りません。"),
        "assumed": ("早ければ来年の春ごろでしょうか。",),
        "denied": ("少なくとも2年は見直す予定がありません。",),
        "unknown": ("時期まではまだ話せていません。",),
    },
}
"""What leads say: field -> status -> quotes."""

CONTACT_STATES: Final = (
    "課題を自分の言葉で話した",
    "情報収集の段階",
    "比較検討を始めている",
    "上司に説明する材料を探している",
)
NOTES: Final = (
    "現場の運用を見てから判断したいとのこと。",
    "資料は先に送付済み。",
    "他社ツールと比較中。",
    "次回は決裁者も同席。",
)
HANDOFF_REASONS: Final = (
    "課題と時期がはっきりしており、今週中に提案を聞きたいとのこと。",
    "決裁者本人が現状に困っていて、比較表を求めている。",
    "来期の計画に載せるため、今月中に見積もりが必要。",
)
RETURNS: Final = (
    ("unreachable", "3回かけましたが、つながりませんでした。"),
    ("bad_data", "電話番号が別の部署のものでした。"),
    ("no_need", "話してみると、困りごとは解決済みでした。"),
    ("no_budget", "予算は来年度まで付きません。"),
    ("no_authority", "決裁者は別の方でした。その方からのヒアリングをお願いします。"),
    ("bad_timing", "検討は半年後とのことです。"),
    ("not_a_fit", "必要な機能が当社の対象外でした。"),
    ("duplicate", "既に別の担当が商談中です。"),
)
LOST_REASONS: Final = ("価格で競合に決定", "社内で見送り", "担当者の異動で中断", "自社開発に切り替え")
PRODUCTS: Final = ("スタンダード", "プレミアム", "分析オプション")
