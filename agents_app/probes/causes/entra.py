"""Causes of Microsoft Entra, which gives the token for Power BI. The fact `reference` has code and correlation ID."""

from agents_app.probes.causes.cause import Cause, Responsible


def _entra(what: str, next_step: str, responsible: Responsible) -> Cause:
    return Cause(what, f"{next_step} Reference of Entra: {{reference}}.", responsible)


CAUSES = {
    # Found in the agent's own values, before anything is sent.
    "entra_credential_missing": Cause(
        "The agent has no credential for its sign-in method.",
        "Enter the client secret, or the certificate with its private key.",
        Responsible.YOU,
    ),
    "entra_key_unreadable": Cause(
        "The private key cannot be opened with the private key password.",
        "Enter the password of the private key, or paste the key without encryption and leave the password empty.",
        Responsible.YOU,
    ),
    "entra_key_not_rsa": Cause(
        "The private key is not an RSA key, and Entra accepts RSA keys only.",
        "Create a certificate with an RSA key, and upload it to the application in Entra.",
        Responsible.APPLICATION_OWNER,
    ),
    "entra_key_of_another_certificate": Cause(
        "The private key does not belong to the certificate.",
        "Paste the certificate and the private key that were created together.",
        Responsible.YOU,
    ),
    "entra_certificate_expired": Cause(
        "The certificate of the agent has expired, or is not valid yet.",
        "Create a certificate, upload it to the application in Entra, and enter it here with its private key.",
        Responsible.APPLICATION_OWNER,
    ),
    # Answers of Entra, by the numbers in `error_codes`.
    "entra_secret_wrong": _entra(
        "Entra does not accept the client secret.",
        "Enter the whole value of the secret, not its ID. Entra shows the value only once, when the secret is created.",
        Responsible.YOU,
    ),
    "entra_secret_expired": _entra(
        "The client secret has expired.",
        "Create a client secret of the application in Entra, and enter its value here.",
        Responsible.APPLICATION_OWNER,
    ),
    "entra_application_unknown": _entra(
        "The tenant has no application with this client ID.",
        "Compare tenant ID and client ID with the overview page of the application. If both are right, ask an Entra "
        + "administrator to add the application to the tenant.",
        Responsible.YOU,
    ),
    "entra_tenant_unknown": _entra(
        "The tenant does not exist in this cloud.", "Check the tenant ID and the cloud.", Responsible.YOU
    ),
    "entra_other_cloud": _entra(
        "The tenant belongs to another national cloud of Microsoft.", "Choose the cloud of the tenant.", Responsible.YOU
    ),
    "entra_application_disabled": _entra(
        "The application is disabled in the tenant.",
        "Ask an Entra administrator to enable sign-in for the application (Enterprise applications, Properties).",
        Responsible.ENTRA_ADMIN,
    ),
    "entra_certificate_refused": _entra(
        "Entra does not accept the certificate.",
        "Upload this certificate to the application in Entra (Certificates & secrets), or paste the one that is there.",
        Responsible.APPLICATION_OWNER,
    ),
    "entra_certificate_name": _entra(
        "The application does not allow the subject name of the certificate.",
        "Use a certificate with a subject name that the application allows (trustedCertificateSubjects), or upload "
        + "this certificate to the application in Entra (Certificates & secrets).",
        Responsible.APPLICATION_OWNER,
    ),
    "entra_public_client": _entra(
        "The application is registered as a public client, which cannot sign in with a secret or certificate.",
        "Turn off public client flows (Authentication), or register an application for the agent.",
        Responsible.APPLICATION_OWNER,
    ),
    "entra_service_missing": _entra(
        "The tenant has no Power BI service.",
        "Ask an Entra administrator to add the Power BI service to the tenant: a first sign-in to Power BI adds it.",
        Responsible.ENTRA_ADMIN,
    ),
    "entra_conditional_access": _entra(
        "A Conditional Access policy blocks the sign-in of the application.",
        "Ask an Entra administrator to change the policy, so that the application can sign in from the address of the "
        + "console.",
        Responsible.ENTRA_ADMIN,
    ),
    "entra_busy": _entra("Entra is busy.", "Try again {when}.", Responsible.WAIT),
    "entra_request_malformed": _entra(
        "Entra did not understand the request of the console.",
        "Report it to the maintainers of Agent Console with the reference.",
        Responsible.US,
    ),
    # Codes that are not in the table, by the value of `error`.
    "entra_client_refused": _entra(
        "Entra does not accept the credential of the application.",
        "Ask the owner of the application to compare the client ID and the secret or certificate with those in Entra.",
        Responsible.APPLICATION_OWNER,
    ),
    "entra_application_refused": _entra(
        "Entra does not allow the application to get a token.",
        "Ask an Entra administrator to look up the reference in the sign-in logs of the tenant.",
        Responsible.ENTRA_ADMIN,
    ),
    "entra_refused": _entra(
        "Entra refused to give a token.",
        "Ask an Entra administrator to look up the reference in the sign-in logs of the tenant.",
        Responsible.ENTRA_ADMIN,
    ),
}
