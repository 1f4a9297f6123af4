"""Made-up requests of callers: what they call about, times what they want of it. Our own text.

No banking products. It is there to teach that sentences with the same things in them may want something
else, and to keep both apart.
"""
import random

THINGS = {  # name: (what can be wanted of it, ways to call it)
    'parcel': ('post money wrong who', ['my parcel', 'my package', 'the parcel i ordered', 'my delivery']),
    'gift voucher': ('post money valid lose get use', ['my gift voucher', 'the gift card', 'a gift voucher', 'the voucher i bought']),
    'discount code': ('valid use get fail who', ['the discount code', 'my promo code', 'a coupon code']),
    'loyalty points': ('valid use wrong who explain', ['my loyalty points', 'my reward points', 'the bonus points']),
    'order': ('money change status fail wrong', ['my order', 'the order i placed', 'my online order']),
    'warranty': ('valid get who explain copy', ['the warranty', 'my extended warranty', 'the guarantee on my fridge']),
    'invoice': ('copy wrong late money explain', ['my invoice', 'the invoice', 'last month\'s invoice']),
    'sim': ('post lose start device get extra', ['my sim', 'the new sim', 'my esim', 'the sim for my phone']),
    'phone number': ('change move keep explain', ['my phone number', 'my mobile number', 'my current number']),
    'data plan': ('cost stop change limit explain upgrade', ['my data plan', 'the unlimited data plan', 'my mobile plan']),
    'router': ('post device broken start get extra', ['my router', 'the wifi box', 'the new router']),
    'roaming': ('cost start stop use explain', ['roaming', 'data roaming', 'using my phone abroad']),
    'voicemail': ('start stop device change explain', ['my voicemail', 'the answering service', 'voicemail']),
    'phone bill': ('copy wrong late cost', ['my phone bill', 'the bill for my mobile', 'this month\'s phone bill']),
    'handset': ('post lose broken device upgrade get', ['my handset', 'the phone i got from you', 'my new mobile']),
    'internet connection': ('device move stop cost upgrade', ['my internet', 'the internet connection', 'our broadband']),
    'tv box': ('post device broken get extra', ['the tv box', 'my set-top box', 'the new tv receiver']),
    'flight': ('money change stop status', ['my flight', 'the flight to rome', 'my flight booking']),
    'seat reservation': ('change get money wrong', ['my seat', 'the window seat i booked', 'my seat reservation']),
    'boarding pass': ('copy lose get wrong', ['my boarding pass', 'the boarding pass']),
    'baggage': ('lose late broken cost limit extra', ['my suitcase', 'my luggage', 'my checked bag']),
    'hotel room': ('money change stop get upgrade', ['my hotel room', 'the hotel reservation', 'the room i booked']),
    'rental car': ('money change stop get broken who', ['the rental car', 'my hire car', 'the car i rented']),
    'train ticket': ('copy lose money change valid', ['my train ticket', 'the rail ticket', 'my ticket to york']),
    'visa application': ('status fail docs change who', ['my visa application', 'the visa i applied for', 'my visa']),
    'travel insurance': ('cost get stop who copy explain', ['travel insurance', 'my travel cover', 'the holiday insurance']),
    'lounge access': ('cost get who use', ['lounge access', 'the airport lounge', 'access to the lounge']),
    'electricity meter': ('device broken wrong move', ['my electricity meter', 'the power meter', 'the smart meter']),
    'meter reading': ('wrong late explain change', ['my meter reading', 'the reading i sent in', 'the meter figures']),
    'gas bill': ('copy wrong late cost explain', ['my gas bill', 'the gas bill', 'the heating bill']),
    'tariff': ('cost change explain who', ['my tariff', 'the green energy tariff', 'my energy rate']),
    'thermostat': ('post device broken start get', ['my thermostat', 'the smart thermostat']),
    'boiler repair': ('late change stop cost status', ['the boiler repair', 'the visit of the heating engineer', 'my boiler appointment']),
    'doctor appointment': ('change stop get late status', ['my appointment', 'the appointment with the doctor', 'my checkup']),
    'prescription': ('status get copy lose renew late', ['my prescription', 'the repeat prescription', 'my medication']),
    'test results': ('late copy explain wrong', ['my test results', 'the blood test results', 'my lab results']),
    'vaccination': ('get cost who docs copy', ['the flu shot', 'my vaccination', 'the travel vaccine']),
    'referral': ('status get late valid fail', ['my referral', 'the referral to a specialist']),
    'medical record': ('copy wrong change move', ['my medical record', 'my patient file', 'my health records']),
    'insurance claim': ('status fail docs stop change late', ['my claim', 'the insurance claim', 'the claim i filed']),
    'insurance policy': ('cost stop change renew copy explain move', ['my policy', 'my car insurance', 'the home insurance policy']),
    'premium': ('cost late wrong explain', ['my premium', 'the monthly premium', 'my insurance premium']),
    'parking permit': ('post get renew lose who extra cost', ['my parking permit', 'the residents parking permit', 'a parking permit']),
    'driving licence': ('post get renew lose change docs', ['my driving licence', 'my driver\'s license', 'the new licence']),
    'passport': ('post get renew lose docs status', ['my passport', 'the passport i applied for', 'a new passport']),
    'library book': ('late lose extend cost limit', ['my library book', 'the book i borrowed']),
    'bus pass': ('post get renew lose use who', ['my bus pass', 'the monthly bus pass', 'my travel pass']),
    'birth certificate': ('post get copy lose wrong docs', ['my birth certificate', 'the birth certificate', 'a certificate of birth']),
    'bin collection': ('late change explain', ['the bin collection', 'my rubbish pickup', 'garbage collection']),
    'parking ticket': ('fail explain late cost who', ['my parking ticket', 'the parking fine', 'the fine i got']),
    'subscription': ('cost stop hold change renew upgrade who', ['my subscription', 'the subscription', 'my monthly subscription']),
    'user account': ('stop change access move hold', ['my account', 'my online account', 'my user account']),
    'password': ('change access', ['my password', 'the password', 'my login password']),
    'login code': ('late access explain', ['the login code', 'the verification code', 'the code you text me']),
    'app': ('device access explain use', ['the app', 'your app', 'the mobile app']),
    'free trial': ('valid stop get who extend', ['my free trial', 'the free trial', 'the trial month']),
    'download': ('device limit status', ['my download', 'the film i downloaded', 'downloads']),
    'notification': ('stop start wrong explain', ['the notifications', 'those alerts', 'the emails you send']),
    'payslip': ('copy wrong late explain', ['my payslip', 'the pay statement', 'this month\'s payslip']),
    'leave request': ('status fail change stop', ['my leave request', 'my holiday request', 'the vacation days i asked for']),
    'expense claim': ('status fail docs late limit', ['my expense claim', 'my travel expenses', 'the expense report']),
    'work laptop': ('post device broken lose upgrade', ['my work laptop', 'the company laptop', 'my computer']),
    'badge': ('lose device get valid use', ['my badge', 'the access badge', 'my office key fob']),
    'training course': ('get cost stop who status', ['the training course', 'the safety course', 'my course']),
    'membership': ('cost stop hold renew upgrade move get', ['my membership', 'the gym membership', 'my club membership']),
    'yoga class': ('get stop change cost late', ['the yoga class', 'my class', 'the evening class']),
    'exam': ('change fail get docs status', ['my exam', 'the exam', 'my driving test']),
    'transcript': ('copy post wrong docs', ['my transcript', 'my grade report', 'my diploma']),
    'tuition fee': ('cost late wrong who', ['my tuition fee', 'the course fees', 'my tuition']),
    'table': ('change stop get status', ['my table', 'the table for tonight', 'our dinner reservation']),
    'repair': ('status cost late stop', ['the repair', 'my repair', 'the repair of my washing machine']),
    'donation': ('money stop copy wrong', ['my donation', 'the monthly donation']),
}

WANTS = {  # group: {name: ways to say it}
    'post': {
        '{n} not arrived': ['{o} still hasn\'t arrived', 'i am still waiting for {o}', 'it has been two weeks and no sign of {o}', 'why haven\'t i received {o} yet', '{o} should have been here by now', '{o} never showed up', 'how come {o} isn\'t here yet'],
        '{n} delivery time': ['how long does it take to get {o}', 'how many days until {o} comes', 'what is the delivery time for {o}', 'how soon can i expect {o}', 'if i order today when would i have {o}', 'when do you usually deliver {o}'],
        '{n} tracking': ['can i track {o}', 'is there a tracking number for {o}', 'how do i see where {o} is right now', 'i want to follow {o} on its way', 'has {o} been sent out already'],
        '{n} wrong address': ['{o} went to the wrong address', 'can you send {o} to another address', 'you have my old address for {o}', 'i moved, will {o} still reach me', '{o} should go to my office instead'],
    },
    'lose': {
        'lost {n}': ['i lost {o}', 'i can\'t find {o} anywhere', '{o} has gone missing', 'i think i left {o} on the train', 'i misplaced {o}, what now', 'i don\'t know where {o} is'],
        'stolen {n}': ['someone stole {o}', '{o} was taken from my bag', '{o} got stolen, what should i do', 'i was robbed and they have {o}', 'thieves took {o}'],
        'replace {n}': ['how do i get a replacement for {o}', 'i need {o} replaced', 'what does it take to replace {o}', 'please send me a new one in place of {o}'],
    },
    'broken': {
        'damaged {n}': ['{o} is broken', '{o} is damaged', 'there is a crack in {o}', 'i dropped {o} and now it\'s in pieces', 'somebody damaged {o}', '{o} has a big scratch'],
    },
    'device': {
        '{n} not working': ['{o} doesn\'t work', '{o} stopped working', 'i can\'t get {o} to work', 'why won\'t {o} work', 'something is wrong with {o}, it does nothing', 'i am having trouble with {o}'],
        '{n} slow': ['{o} is very slow', 'why is {o} so slow today', '{o} takes forever', '{o} keeps dropping out'],
    },
    'start': {'activate {n}': ['how do i activate {o}', 'where do i switch on {o}', 'please turn on {o}', 'i need help setting up {o}', 'what are the steps to activate {o}', '{o} needs to be activated']},
    'stop': {'cancel {n}': ['cancel {o}', 'i don\'t want {o} any more', 'please stop {o}', 'how can i get out of {o}', 'i would like to end {o}', 'is it possible to call off {o}']},
    'hold': {'pause {n}': ['can i put {o} on hold', 'pause {o} for two months', 'i want to suspend {o} for a while', 'is there a way to freeze {o} until spring']},
    'change': {'change {n}': ['can i change {o}', 'i need to make a change to {o}', 'how do i edit {o}', 'i want to switch {o} to something else', 'is it too late to change {o}', 'please update {o}']},
    'cost': {
        '{n} price': ['how much is {o}', 'what does {o} cost', 'what would i have to pay for {o}', 'tell me the price of {o}', 'are there any fees for {o}', 'is {o} free'],
        '{n} unexpected charge': ['why was i charged extra for {o}', 'there is a fee for {o} i did not expect', 'what is this additional charge for {o}', 'i was told {o} was free but i got billed', 'why did {o} cost more than you said'],
        '{n} cheaper': ['can i get {o} cheaper', 'is there a discount on {o}', '{o} is too expensive, what can you do', 'do you have a better price for {o}'],
    },
    'money': {
        'refund {n}': ['i want my money back for {o}', 'can i get a refund on {o}', 'how do i return {o} and get my money', 'please refund {o}', 'i would like to be reimbursed for {o}'],
        '{n} refund missing': ['the refund for {o} hasn\'t come through', 'i still don\'t have my money back for {o}', 'you promised a refund for {o} but i see nothing', 'where is the refund for {o}', 'when will the refund for {o} show up'],
        '{n} charged twice': ['i was billed twice for {o}', 'i see two charges for {o}', 'why did i pay double for {o}', 'there is a duplicate payment for {o}'],
        'pay for {n}': ['how can i pay for {o}', 'which ways to pay for {o} do you take', 'can i pay for {o} in instalments', 'do you accept cheques for {o}'],
    },
    'status': {
        '{n} status': ['what is the status of {o}', 'any update on {o}', 'is {o} confirmed', 'can you check on {o} for me', 'how far along is {o}'],
        '{n} pending': ['{o} still says pending', 'why is {o} still being processed', '{o} has been stuck for days', 'how long will {o} stay pending', 'nothing is happening with {o}'],
    },
    'fail': {
        '{n} rejected': ['{o} was declined', 'why was {o} rejected', '{o} got turned down', 'they refused {o}', '{o} did not go through'],
        'appeal {n}': ['i want to appeal about {o}', 'how do i contest {o}', 'i don\'t agree with the decision on {o}', 'who can look again at {o}'],
    },
    'valid': {'{n} expiry': ['when does {o} expire', 'how long is {o} valid', 'until when can i use {o}', 'has {o} run out', 'what is the expiry date of {o}']},
    'renew': {'renew {n}': ['renew {o}', '{o} has expired and i need a new one', 'how do i renew {o}', 'does {o} renew by itself', 'i want to keep {o} for another year']},
    'extend': {'extend {n}': ['can i extend {o}', 'i need {o} for longer', 'give me another week for {o}', 'is it possible to prolong {o}']},
    'who': {'{n} eligibility': ['am i eligible for {o}', 'who can get {o}', 'do i qualify for {o}', 'can my children have {o} too', 'is there a minimum age for {o}', 'am i allowed to have {o}']},
    'get': {'get {n}': ['how do i get {o}', 'where can i apply for {o}', 'i would like to have {o}', 'sign me up for {o}', 'where do i ask for {o}', 'i want to book {o}']},
    'extra': {'additional {n}': ['can i have a second one besides {o}', 'i need one more in addition to {o}', 'may i get {o} twice, one for my wife', 'an extra one for my daughter on top of {o}']},
    'limit': {'{n} limit': ['is there a limit on {o}', 'what is the most i can have with {o}', 'how often can i use {o}', 'did i go over the limit for {o}', 'what is the maximum for {o}']},
    'move': {'transfer {n}': ['can i transfer {o} to someone else', 'i want to put {o} in my son\'s name', 'take {o} with me to the new house', 'how do i move {o} over', 'can my sister take over {o}']},
    'keep': {'keep {n}': ['can i keep {o} if i switch', 'i don\'t want to lose {o} when i change provider', 'will {o} stay the same', 'bring {o} over from my old company']},
    'docs': {
        '{n} documents': ['what documents do i need for {o}', 'which papers are required for {o}', 'do i have to bring proof for {o}', 'what should i send in for {o}'],
        '{n} why documents': ['why do you need so much information for {o}', 'why must i prove who i am for {o}', 'i don\'t want to hand over my data for {o}', 'what do you do with the papers for {o}'],
    },
    'wrong': {
        '{n} wrong': ['{o} is wrong', 'there is a mistake in {o}', '{o} shows the wrong amount', 'the details of {o} are not right', 'somebody mixed up {o}'],
        '{n} not recognised': ['i never asked for {o}', 'i don\'t recognise {o}', '{o} isn\'t mine', 'i know nothing about {o}, who did that'],
    },
    'use': {'where to use {n}': ['where can i use {o}', 'does {o} work abroad', 'in which places is {o} accepted', 'can i use {o} in other countries', 'how do i use {o}']},
    'copy': {'copy of {n}': ['send me a copy of {o}', 'i need {o} by email', 'where can i download {o}', 'can you print {o} again', 'i want to see {o} from last year']},
    'explain': {'explain {n}': ['what is {o}', 'how does {o} work', 'can you explain {o} to me', 'i don\'t understand {o}', 'tell me more about {o}']},
    'upgrade': {
        'upgrade {n}': ['can i upgrade {o}', 'i want something better than {o}', 'move me up from {o}', 'what is the next step up from {o}'],
        'downgrade {n}': ['i want a smaller one than {o}', 'downgrade {o}', 'i don\'t need all of {o}, give me the basic one', 'move me to something below {o}'],
    },
    'late': {
        '{n} late': ['{o} is late', 'why does {o} take so long', '{o} was due yesterday', 'nobody came for {o}', 'i should have had {o} last week'],
        '{n} due date': ['when is {o} due', 'what day is {o}', 'by when do i have to take care of {o}', 'what is the date of {o}'],
    },
    'access': {
        '{n} forgotten': ['i forgot {o}', 'i can\'t remember the details of {o}', 'how do i reset {o}', 'i need a reset of {o}'],
        '{n} locked': ['i am locked out of {o}', '{o} is blocked', 'why can\'t i get into {o}', 'unlock {o} please', 'too many attempts and now {o} is closed'],
    },
}
OPEN = ['', '', '', '', '', '', 'hi, ', 'hello, ', 'um ', 'hi there ', 'good morning, ', 'please help, ', 'excuse me, ', 'so ', 'i have a question, ']
CLOSE = ['', '', '', '', '', '?', '?', ' please', ' thanks', ', can you help', ', please advise']


def make(seed=9, each=14):
    rnd = random.Random(seed)
    out = []
    for n, (groups, forms) in THINGS.items():
        for g in groups.split():
            for want, ways in WANTS[g].items():
                pairs = [(w, f) for w in ways for f in forms]
                rnd.shuffle(pairs)
                texts = [rnd.choice(OPEN) + w.replace('{o}', f) + rnd.choice(CLOSE) for w, f in pairs[:each]]
                out.append((f'{n}|{want}', want.replace('{n}', n), texts))
    return out


if __name__ == '__main__':
    made = make()
    print(len(made), sum(len(t) for _, _, t in made))
    for m in random.sample(made, 8):
        print(m)
