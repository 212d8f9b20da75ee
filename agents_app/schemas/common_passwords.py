"""Words that guessers try first, in letters only: digits and signs around them are taken off before the look-up."""

COMMON = frozenset(
    """
    password passwort passwords passwordpassword motdepasse contrasena welcome welcometo letmein letmeinnow changeme
    changemenow changemeplease pleasechangeme changeit secret secretsecret topsecret mysecret supersecret
    admin adminadmin administrator administration root rootroot superuser superadmin sysadmin user username
    login loginlogin guest default test testtest testing tester example sample demo demodemo
    qwerty qwertyuiop qwertyqwerty qwertyuiopasdf qwertyuiopasdfghjkl qwertzuiop azerty azertyuiop asdfghjkl asdfasdf
    zxcvbnm qazwsx qazwsxedc qazwsxedcrfv qwerasdf qwerasdfzxcv abcdefghijkl abcdefghijklm abcdefgh abcdef abcabc
    iloveyou iloveyouforever monkey dragon sunshine princess football baseball superman batman trustno trustnoone
    shadow master whatever starwars freedom hello hellohello helloworld computer internet
    correcthorsebatterystaple thisisapassword thisismypassword mypassword mypasswordis yourpassword newpassword
    oldpassword temppassword temporary temporarypassword onetimepassword passphrase
    summer winter spring autumn january february march april june july august september october november december
    agentconsole agentsconsole console agents
    """.split()
)
