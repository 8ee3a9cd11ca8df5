"""The documented addresses of a sipXcom, and what reaches each. Source: sipXcom's REST API Reference.

Form: see documented.py. The base /sipxconfig stands in front of each.
"""

SIPXCOM = """
/rest/auto-attendant GET=pass
/rest/auto-attendant/specialmode GET=pass PUT=pass DELETE=pass
/rest/auto-attendant/{attendant}/special PUT=pass DELETE=pass
/rest/auto-attendant/livemode/{code} PUT=pass DELETE=pass
/rest/branch GET=pass PUT=pass
/rest/branch/{id} GET=pass PUT=pass DELETE=pass
/api/dns/settings GET=settings_get
/api/dns/settings/{settingPath} GET=settings_get PUT=settings_put DELETE=settings_reset
/api/dns/advisor/server/{serverId} GET=health
/rest/erls GET=pass PUT=pass DELETE=pass
/rest/erl/elin/{elin} GET=pass PUT=pass DELETE=pass
/rest/erl/user/{username} GET=pass PUT=pass DELETE=pass
/rest/erl/group/{groupName} GET=pass PUT=pass
/rest/erl/phone/{serial_number} GET=pass
/rest/erl/phones PUT=pass
/rest/erl/phonegroup/{groupName} GET=pass PUT=pass DELETE=pass
/api/gateways GET=pass
/api/gateways/models GET=pass
/api/gateways/{gatewayId} GET=pass PUT=pass POST=pass DELETE=pass
/api/gateways/{gatewayId}/settings GET=settings_get
/api/gateways/{gatewayId}/settings/{path} GET=settings_get PUT=settings_put DELETE=settings_reset
/api/gateways/{gatewayId}/port/{portId}/settings GET=settings_get PUT=settings_put DELETE=settings_reset
/api/gateways/{gatewayId}/port/{portId}/settings/{path} GET=settings_get PUT=settings_put DELETE=settings_reset
/api/ivr/settings GET=settings_get PUT=settings_put DELETE=settings_reset
/api/license GET=pass
/api/license/{uid} POST=pass
/api/mwi/settings GET=settings_get
/api/mwi/settings/{settingPath} GET=settings_get PUT=settings_put DELETE=settings_reset
/api/moh/settings GET=settings_get
/api/moh/settings/{settingPath} GET=settings_get PUT=settings_put DELETE=settings_reset
/api/moh/prompts GET=pass POST=pass
/api/moh/prompts/{promptName} GET=pass DELETE=pass
/api/moh/prompts/{promptName}/stream GET=pass
/api/imbot/settings GET=settings_get
/api/imbot/settings/{settingPath} GET=settings_get PUT=settings_put
/api/pagegroups GET=pass POST=pass
/api/pagegroups/{pagegroupId} GET=pass PUT=pass DELETE=pass
/api/pagegroups/settings GET=pass PUT=pass DELETE=pass
/api/pagegroups/prompts GET=pass POST=pass
/api/pagegroups/prompts/{promptName} GET=pass
/api/pagegroups/prompts/{promptName}/stream GET=pass
/api/orbits GET=pass POST=pass
/api/orbits/{orbitId} GET=pass PUT=pass DELETE=pass
/api/orbits/{orbitId}/settings GET=pass PUT=pass DELETE=pass
/api/orbits/settings GET=pass PUT=pass DELETE=pass
/api/orbits/prompts GET=pass POST=pass
/api/orbits/prompts/{promptName} GET=pass
/api/orbits/prompts/{promptName}/stream GET=pass
/rest/permission GET=pass PUT=pass
/rest/permission/{name} GET=pass PUT=pass DELETE=pass
/api/phones GET=consistency POST=import_phones
/api/phones/{serialNumber}/profile/{name} GET=profile
/api/phones/models GET=phone_models PUT=pass DELETE=pass
/api/phones/{phoneId} GET=find_phone PUT=update_phone DELETE=delete_phone
/api/phones/{phoneId}/groups GET=groups DELETE=leave_group
/api/phones/{phoneId}/groups/{groupName} POST=join_group DELETE=leave_group
/api/phones/{phoneId}/settings/{settingPath} GET=settings_get PUT=settings_put DELETE=settings_reset
/api/phones/{phoneId}/lines GET=lines POST=pass DELETE=pass
/api/phones/{phoneId}/lines/{lineId}/settings/{settingPath} GET=settings_get PUT=settings_put DELETE=settings_reset
/rest/phonebook GET=pass
/rest/phonebook/{name} GET=pass
/api/phoneGroups GET=groups
/api/phoneGroups/{phoneGroupId} GET=pass PUT=pass DELETE=pass
/api/phoneGroups/{groupId}/up PUT=pass
/api/phoneGroups/{groupId}/down PUT=pass
/api/phoneGroups/{groupId}/models GET=pass
/api/phoneGroups/{groupId}/model/{modelName}/settings GET=settings_get PUT=settings_put DELETE=settings_reset
/api/phoneGroups/{groupId}/model/{modelName}/settings/{path} GET=settings_get
/api/phoneGroups/{groupId}/model/{modelName}/settings/{path} PUT=settings_put DELETE=settings_reset
/api/proxy/settings GET=settings_get
/api/proxy/settings/{settingPath} GET=settings_get PUT=settings_put DELETE=settings_reset
/api/registrar/settings GET=settings_get
/api/registrar/settings/{settingPath} GET=settings_get PUT=settings_put DELETE=settings_reset
/api/registrations GET=registrations
/api/registrations/user/{userId} GET=registrations DELETE=drop_registrations
/api/registrations/serialNo/{serialId} GET=registrations DELETE=drop_registrations
/api/registrations/ip/{ip} GET=registrations DELETE=drop_registrations
/api/registrations/callId/{callId} GET=registrations DELETE=drop_registrations
/api/registrations/server/{serverId} GET=registrations DELETE=drop_registrations
/api/restserver/settings GET=settings_get
/api/restserver/settings/{settingPath} GET=settings_get PUT=settings_put
/api/schedules/general GET=pass
/api/schedules/group/{groupId} GET=pass
/api/schedules/user/{userId}/all GET=pass
/api/schedules/user/{userId}/personal GET=pass POST=pass
/api/schedules/{scheduleId} GET=pass PUT=pass DELETE=pass
/api/schedules/{scheduleId}/period/{index} POST=pass DELETE=pass
/api/saa/settings GET=settings_get
/api/saa/settings/{settingPath} GET=settings_get PUT=settings_put DELETE=settings_reset
/rest/avatar/{user} GET=pass
/rest/user GET=pass PUT=pass
/rest/user/{id} GET=pass PUT=pass DELETE=pass
/rest/user-permission GET=pass
/rest/user-permission/{id} GET=pass PUT=pass
/rest/user-group GET=pass PUT=pass
/rest/user-group/{id} GET=pass PUT=pass DELETE=pass
/rest/user-group-permission GET=pass
/rest/user-group-permission/{id} GET=pass PUT=pass
/rest/my/call/{to} PUT=calls
/rest/call/{to} PUT=calls
/rest/my/forward GET=calls PUT=calls
/rest/my/callfwd GET=calls PUT=calls
/rest/my/callfwdschedule GET=calls PUT=calls
/rest/my/callfwdsched/{id} GET=calls PUT=calls DELETE=calls
/rest/my/activecdrs GET=calls
/rest/my/voicemail/pin/{pin} GET=calls PUT=calls DELETE=calls
/rest/my/vmprefs GET=calls PUT=calls
/rest/my/feed/voicemail/{folder} GET=calls
/rest/my/voicemail/attendant GET=calls PUT=calls
/rest/my/voicemail/operator/{operator} PUT=calls
/rest/my/voicemail/operator PUT=calls
/rest/my/phonebook GET=calls
/rest/my/pagedphonebook GET=calls
/rest/my/phonebook/entry/{entryId} GET=calls PUT=calls POST=calls DELETE=calls
/rest/my/search/phonebook GET=calls
/rest/my/phonebookentry/{internalid} PUT=calls DELETE=calls
/rest/my/phonebook/showContactsOnPhone/{value} PUT=calls
/rest/my/phonebook/googleImport POST=calls
/rest/my/contact-information GET=calls PUT=calls
/rest/my/im/prefs GET=calls PUT=calls
/rest/my/imbot/prefs GET=calls PUT=calls
/rest/my/speeddial GET=calls PUT=calls
/rest/my/mailbox/{user}/preferences/activegreeting/{greeting} PUT=calls
/rest/my/conferences GET=calls
/rest/my/conferencedetails/{confName} GET=calls
/rest/my/conferences/{name} GET=calls PUT=calls
/rest/my/portal/password/{password} PUT=calls
/rest/my/faxprefs GET=calls
/rest/my/time GET=health
/rest/my/logindetails GET=calls
/rest/my/keepalive GET=calls
/api/phones/{serialOrId}/sendProfile/restart PUT=restart_phone
/api/callgroups GET=pass POST=pass
/api/callgroups/prefix/{prefix} GET=pass
/api/callgroups/{extension} GET=pass PUT=pass DELETE=pass
/api/callgroups/{extension}/duplicate/{newExtension} POST=pass
/api/callgroups/{extension}/rotate/{n} POST=pass
/rest/my/conference/{name}/{command} PUT=calls
"""
