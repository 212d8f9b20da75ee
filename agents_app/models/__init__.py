"""One file per table. Migrations see only the models that are imported here."""

from agents_app.models.account import Account
from agents_app.models.agent import Agent
from agents_app.models.agent_version import AgentVersion
from agents_app.models.api_token import ApiToken
from agents_app.models.connection_test import ConnectionTest
from agents_app.models.deployment import AppliedStep, Deployment, DeploymentStep
from agents_app.models.encryption_key import EncryptionKey
from agents_app.models.event import Event
from agents_app.models.identity import Identity
from agents_app.models.invitation import Invitation
from agents_app.models.login_attempt import LoginAttempt
from agents_app.models.runtime_read import RuntimeRead
from agents_app.models.second_factor import RecoveryCode, SecondFactor
from agents_app.models.started_test import StartedTest
from agents_app.models.user import User
from agents_app.models.user_session import UserSession

__all__ = [
    "Account",
    "Agent",
    "AgentVersion",
    "ApiToken",
    "AppliedStep",
    "ConnectionTest",
    "Deployment",
    "DeploymentStep",
    "EncryptionKey",
    "Event",
    "Identity",
    "Invitation",
    "LoginAttempt",
    "RecoveryCode",
    "RuntimeRead",
    "SecondFactor",
    "StartedTest",
    "User",
    "UserSession",
]
