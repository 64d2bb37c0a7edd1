"""What brands, models and label categories are called, in the manner of the competition's files."""

from __future__ import annotations

__all__ = ["BRANDS", "GENERAL_CATEGORIES", "brand_series", "topic_category", "topics"]

# By popularity. Most are real brands of 2016, the last ones are made up.
_BRANDS = """
小米 三星 华为 vivo OPPO 魅族 酷派 联想 金立 HTC 中兴 乐视 LG TCL 索尼 锤子 努比亚 海信 奇酷 一加
天语 优米 中国移动 朵唯 酷比 美图 康佳 诺基亚 摩托罗拉 华硕 飞利浦 糖葫芦 纽曼 邦华 小杨树 语信 青橙
长虹 海尔 波导 夏新 神舟 昂达 台电 欧博信 欧比 欧新 爱派尔 黑米 尼比鲁 优购 基伍 维图 艾优尼 乡米
米奇 大可乐 沃普丰 摩乐 飞秒 米歌 富可视 德赛 梦米 E派 普耐尔 西米 糯米 唯米 酷珀 谷歌 聆韵 百加
大显 首云 丰米 广信 凯利通 亿通 赛博宇华 恒宇丰 云狐 易派 贝尔丰 酷比魔方 果米 世纪星 米蓝 先锋 ZOYE
ZUK PPTV Cong Lovme 本为 鲜米 虾米 至尊宝 宏碁 蓝魔 智镁 瑞米 白米 原点 奥克斯 奥乐迪 诺亚信 青葱
立方 天宏时代 领航通 北斗 星语 云台 海蓝 山河 橙光 雨燕 飞鸟 竹信 银狐 金鹿 赤兔 明日 晨星 远山
BIFER M4 Xplus 橡果 松塔
"""
BRANDS = tuple(_BRANDS.split())

_SERIES = {
    "小米": ("MI ", "红米", "红米note ", "MI note "),
    "三星": ("Galaxy S", "Galaxy Note ", "Galaxy A", "Galaxy J", "Galaxy Grand "),
    "华为": ("荣耀", "荣耀畅玩", "Mate ", "Ascend P", "麦芒"),
    "vivo": ("X", "Y", "Xplay ", "Xshot "),
    "OPPO": ("R", "A", "Find ", "N"),
    "魅族": ("MX", "魅蓝", "魅蓝note ", "PRO "),
    "酷派": ("大神F", "锋尚", "8"),
    "联想": ("乐檬K", "VIBE ", "S", "P"),
    "HTC": ("Desire ", "One M", "Butterfly "),
    "乐视": ("Le ", "Le Max "),
}

# Categories that apps of every topic have. The empty one is the missing category.
GENERAL_CATEGORIES = (
    "Industry tag",
    "Property Industry 2.0",
    "Property Industry 1.0",
    "Services 1",
    "unknown",
    "Custom label",
    "",
    "Tencent",
    "Irritation / Fun 1",
    "Personal Effectiveness 1",
    "Personal Effectiveness",
    "Services 2",
    "Relatives and friends chat",
    "P2P net loan",
    "DS_P2P net loan",
    "Debit and credit",
    "High mobility",
    "High risk",
    "Low profitability",
    "1 free",
    "Cards RPG",
    "The mainland",
    "Online paid",
    "Convenience",
    "European and American",
    "Cute & Q-version",
    "Customized 1",
)

_TOPICS = (
    *(
        "game",
        "Finance",
        "Music",
        "Travel",
        "Maternal and child",
        "Automotive",
        "Sports",
        "Education",
        "Reading",
    ),
    *(
        "Video",
        "Photography",
        "Beauty",
        "Shopping",
        "Food and drink",
        "Health",
        "Weather",
        "Navigation",
        "News",
    ),
    *("Dating", "Office", "Real estate", "Jobs", "Bank", "Insurance", "Stocks", "Lottery", "Fashion", "Pets"),
    *(
        "Science",
        "Military",
        "Cartoon",
        "Radio",
        "Browser",
        "Security",
        "Input method",
        "Wallpaper",
        "Parenting",
    ),
    *("Aviation", "Hotels", "Language"),
)
_GAME_ASPECTS = (
    *(
        "Art Style",
        "Casual puzzle",
        "Fishing",
        "Cards",
        "Chess",
        "Themes",
        "Racing",
        "Shooting",
        "Role playing",
    ),
    *("Strategy", "Tower defense", "Rowing", "Art", "Time", "Parkour", "Quiz", "Dance", "Pixel", "Horror"),
    *("Wuxia", "Three Kingdoms", "Music", "Sport"),
)
_ASPECTS = (
    *(
        "{}",
        "{} services",
        "{}(others)",
        "{} news",
        "{} 1",
        "{} video",
        "DS_{} loans",
        "{}/social",
        "{} tools",
    ),
    *("{} shopping", "{} for women", "{} for men", "{} 2", "{} tickets", "{} management", "{} community"),
    *("{} guide", "{} coupons", "{}_local", "{} abroad", "{} for students", "{} gifts", "{} ratings"),
)


def topics() -> int:
    """Return how many topics apps can have."""
    return len(_TOPICS)


def topic_category(topic: int, which: int) -> str:
    """Return the name of one of the 23 categories of a topic."""
    name = _TOPICS[topic]
    return f"game-{_GAME_ASPECTS[which]}" if name == "game" else _ASPECTS[which].format(name)


def brand_series(brand: int) -> tuple[str, ...]:
    """Return what the names of a brand's models begin with."""
    return _SERIES.get(BRANDS[brand], (f"{chr(ord('A') + brand % 26)}{100 + brand}-",))
