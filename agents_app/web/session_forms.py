"""The table of all forms of pages, and what is said where the session of one has ended. See `unsaved_form.py`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SessionForm:
    """A form that needs a session: the message where it was not carried out, and the page where it can be sent again.

    `endpoint` names that page; empty means the page of the form. The values of a form are kept only where its view uses
    `is_submitted` and `restored_values`. Buttons without inputs, and most forms that delete something, keep none:
    the user repeats the action.
    """

    message: str
    endpoint: str = ""
    keeps_values: bool = False


# For actions that may have ended the session themselves when the form was sent the first time.
SENT_TWICE = (
    "Nothing was changed now. "
    + "If you sent this form twice, the first request may have been carried out: check the page."
)

SESSION_FORMS = {
    "web.agents.new": SessionForm("The agent was not created.", keeps_values=True),
    "web.agents.save": SessionForm("The agent was not changed.", keeps_values=True),
    "web.agents.disable": SessionForm("The agent was not disabled.", keeps_values=True),
    "web.agents.enable": SessionForm("The agent was not enabled.", keeps_values=True),
    "web.agents.clone": SessionForm("The agent was not cloned.", keeps_values=True),
    "web.bulk_agents.do": SessionForm("Nothing was done with the agents. Select them again.", "web.agents.listing"),
    "web.bulk_agents.undo": SessionForm("Nothing was undone.", "web.bulk_agents.show"),
    "web.connection_tests.run": SessionForm("The agent was not tested.", "web.agents.show"),
    "web.agents.delete": SessionForm("The agent was not deleted.", keeps_values=True),
    "web.agent_versions.restore": SessionForm("The version was not restored.", keeps_values=True),
    "web.agents.restore_deleted": SessionForm("The deletion of the agent was not undone.", "web.events.listing"),
    "web.agent_files.files": SessionForm("The file was not imported."),
    "web.tokens.new": SessionForm("The token was not created.", keeps_values=True),
    "web.tokens.rotate": SessionForm("The token was not rotated.", keeps_values=True),
    "web.tokens.revoke": SessionForm("The token was not revoked."),
    "web.users.invite": SessionForm("The invitation link was not created.", keeps_values=True),
    "web.users.withdraw": SessionForm("The invitation link was not withdrawn.", "web.users.listing"),
    "web.users.change_role": SessionForm(SENT_TWICE, keeps_values=True),
    "web.users.reset_link": SessionForm("The password reset link was not created."),
    "web.users.activate": SessionForm("The person was not activated.", "web.users.listing"),
    "web.users.deactivate": SessionForm(SENT_TWICE),
    "web.users.delete": SessionForm(SENT_TWICE),
    "web.profile.change_password": SessionForm("Your password was not changed."),
    "web.profile.change_details": SessionForm("Your name and your email address were not changed.", keeps_values=True),
    "web.identities.link": SessionForm("The account was not linked.", "web.users.listing"),
    "web.identities.add_person": SessionForm("The person was not added.", "web.users.listing"),
    "web.identities.dismiss": SessionForm("The account was not dismissed.", "web.users.listing"),
    "web.identities.unlink": SessionForm("The person was not unlinked.", "web.users.listing"),
    "web.identities.link_own": SessionForm("Your account was not linked.", "web.profile.show"),
    "web.identities.unlink_own": SessionForm("Your account was not unlinked.", "web.profile.show"),
    "web.profile.end": SessionForm(SENT_TWICE, "web.profile.show"),
    "web.profile.end_others": SessionForm("No browser was signed out.", "web.profile.show"),
    "web.users.reset_second_factor": SessionForm(SENT_TWICE),
    "web.second_factors.set_up": SessionForm("Your second factor was not set up."),
    "web.second_factors.make_codes": SessionForm("No recovery codes were made.", "web.profile.show"),
    "web.second_factors.remove": SessionForm("Your second factor was not removed.", "web.profile.show"),
    "web.second_factor_codes.confirm": SessionForm("Nothing was confirmed.", "web.agents.listing"),
    "web.accounts.require_second_factor": SessionForm("The setting was not changed.", "web.accounts.show"),
    "web.accounts.show": SessionForm("The organisation was not renamed.", keeps_values=True),
    "web.accounts.delete": SessionForm(SENT_TWICE),
}
# Forms that need no session. Signing out after the session has ended has the wanted result.
OPEN_FORMS = {
    "web.sessions.start_session",
    "web.sessions.resume",
    "web.second_factor_codes.enter",
    "web.sessions.sign_out",
    "web.sessions.stay",
    "web.setup.setup",
    "web.invitations.join",
    "web.invitations.reset",
    "web.theme.choose",
}
