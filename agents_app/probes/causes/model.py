"""Causes of model providers: the key, the model, the account of the provider, and the base URL."""

from agents_app.probes.causes.cause import Cause, Responsible

CAUSES = {
    "model_key_wrong": Cause(
        "The server {host} refuses the API key: it is wrong, was revoked, or belongs to another provider or region.",
        "Copy the API key again from the pages of the provider, and check the field Model provider.",
        Responsible.YOU,
    ),
    "model_key_missing": Cause(
        "The server {host} requires an API key, but the agent has none.", "Enter the API key.", Responsible.YOU
    ),
    "model_key_forbidden": Cause(
        "The server {host} accepts the API key, but the key has no permission to read the models.",
        "Ask the administrator of the provider's account to give the key, or its project, access to the models.",
        Responsible.PROVIDER_ADMIN,
    ),
    "model_list_forbidden": Cause(
        "The API key is valid, but it has no permission to read the list of models. The model was not checked.",
        "The agent may work nevertheless. For a complete test, give the key read access to models.",
        Responsible.PROVIDER_ADMIN,
    ),
    "model_key_not_checked": Cause(
        "The server {host} shows its list of models without a key, so the API key was not checked.",
        "Let the agent answer one question to check the key.",
        Responsible.YOU,
    ),
    "model_keys_off": Cause(
        "The resource {host} accepts no API keys: authentication with keys is switched off.",
        "Ask the administrator of the resource to allow keys.",
        Responsible.PROVIDER_ADMIN,
    ),
    "model_address_refused": Cause(
        "The server {host} accepts no requests from the network address or the country of the console.",
        "Ask the administrator of the provider's account to allow the address of the console.",
        Responsible.PROVIDER_ADMIN,
    ),
    "model_no_quota": Cause(
        "The provider's account has no quota or credit left, or its billing is not active.",
        "Ask the administrator of the provider's account to check its billing and its limits.",
        Responsible.PROVIDER_ADMIN,
    ),
    "model_unknown": Cause(
        "The server {host} has no model {model}, or this key cannot use it.",
        "Correct the name of the model, or ask for access to it.{similar}",
        Responsible.YOU,
    ),
    "model_deployment_unknown": Cause(
        "The resource {host} has no deployment {model}.",
        "Enter the name of the deployment, not the name of its model. A new deployment answers after some minutes.",
        Responsible.YOU,
    ),
    "model_deployment_not_checked": Cause(
        "The API key is valid, but the answer does not show whether the deployment {model} exists ({reference}).",
        "Let the agent answer one question to check the deployment.",
        Responsible.YOU,
    ),
    "model_rate_limited": Cause(
        "The server {host} accepts no more requests with this API key at the moment.",
        "Try again {when}.",
        Responsible.WAIT,
    ),
    "model_busy": Cause("The server {host} is overloaded or has a fault.", "Try again {when}.", Responsible.WAIT),
    "model_wrong_url": Cause(
        "The server {host} answers, but not with the API of the model provider {provider} ({reference}).",
        "Check the model provider and the model base URL. An example of a right base URL: {example}",
        Responsible.YOU,
    ),
    "model_refused": Cause(
        "The server {host} refuses to show its models ({reference}).",
        "Check the model provider, the model base URL and the API key.",
        Responsible.YOU,
    ),
}
