"""The formats of keys that well-known providers issue, each with what it is called in a sentence."""

import re

# Only as many characters as a format needs: no pattern reads on without a limit.
_NAME = "[A-Za-z0-9_-]"
_WORD = "[A-Za-z0-9]"
_HEX = "[0-9a-f]"
FORMATS = {
    "an Anthropic API key": rf"sk-ant-{_NAME}{{16}}",
    "an OpenAI API key": rf"sk-(?:proj|svcacct|admin|None)-{_NAME}{{16}}",
    "an API key": rf"sk-(?={_NAME}{{0,40}}[0-9]){_NAME}{{16}}",
    "a Groq API key": rf"gsk_{_WORD}{{32}}",
    "an xAI API key": rf"xai-{_WORD}{{40}}",
    "a Perplexity API key": rf"pplx-{_WORD}{{32}}",
    "a Replicate token": rf"r8_{_WORD}{{32}}",
    "an NVIDIA API key": rf"nvapi-{_NAME}{{40}}",
    "a Tavily API key": rf"tvly-{_NAME}{{16}}",
    "a Linear API key": rf"lin_api_{_WORD}{{32}}",
    "a Postman API key": rf"PMAK-{_NAME}{{32}}",
    "a Hugging Face token": rf"hf_{_WORD}{{30}}",
    "a GitHub token": rf"gh[opsur]_{_WORD}{{30}}|github_pat_[A-Za-z0-9_]{{22}}",
    "a GitLab token": rf"gl(?:pat|dt|rt|cbt|ptt|ft|soat|imt|agent|oas|ffct)-{_NAME}{{16}}",
    "an AWS access key": r"(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Z0-9])",
    "a Google key": rf"AIza{_NAME}{{35}}|GOCSPX-{_NAME}{{24}}|ya29\.{_NAME}{{20}}",
    "a Slack token": r"xox[abdeoprs](?:\.xox[bp])?-[A-Za-z0-9-]{10}|xapp-[0-9]-[A-Za-z0-9-]{10}",
    "a Slack webhook": r"hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/]{20}",
    "a JSON web token": r"eyJ[A-Za-z0-9_-]{8,500}\.[A-Za-z0-9_-]{16}",
    "a Microsoft Entra client secret": r"[A-Za-z0-9_.~-]{3}[0-9]Q~[A-Za-z0-9_.~-]{31}",
    "a Stripe key": rf"[rs]k_(?:live|test|prod)_{_WORD}{{16}}|whsec_{_WORD}{{24}}",
    "a SendGrid key": rf"SG\.{_NAME}{{20,24}}\.{_NAME}{{39}}",
    "a Databricks token": rf"dapi{_HEX}{{32}}",
    "a DigitalOcean token": rf"do[opr]_v1_{_HEX}{{64}}",
    "a Shopify token": r"shp(?:at|ca|pa|ss)_[0-9A-Fa-f]{32}",
    "a token of a package registry": rf"npm_{_WORD}{{36}}|pypi-AgE{_NAME}{{50}}",
    "a Vault token": rf"hv[bsr]\.{_NAME}{{24}}",
    "a Grafana token": rf"gl(?:sa|c)_{_WORD}{{32}}",
    "an Atlassian token": r"ATATT3[A-Za-z0-9_=-]{40}",
    "an age secret key": r"AGE-SECRET-KEY-1[0-9A-Z]{58}",
    "an API token of Agent Console": rf"agc_{_WORD}{{12}}\.{_WORD}{{40}}",
}
_NAMES = list(FORMATS)
_ANY = re.compile(rf"(?<!{_WORD})(?:{'|'.join(f'(?P<k{at}>{FORMATS[name]})' for at, name in enumerate(_NAMES))})")
# What people write in the place of a key.
PLACEHOLDER = re.compile(r"your|x{4}|0{8}|placeholder|redacted|change-?me|insert|replace", re.IGNORECASE)


def name_of_key(word: str) -> str | None:
    """What a word contains by its format, such as "a GitHub token". None if it has the format of no key."""
    found = next((match for match in _ANY.finditer(word) if not PLACEHOLDER.search(match[0])), None)
    return _NAMES[int(found.lastgroup[1:])] if found and found.lastgroup else None
