package main

import (
	"postrider/lib/mail/param"
	"postrider/lib/mail/site"
	"postrider/lib/service/postlog"
)

type (
	siteParams = site.Params
	logParams  = postlog.Params
)

// A parameters value is what an instance says about itself in its main.cf.
type parameters struct {
	siteParams
	logParams

	// SEVERAL INSTANCES

	param.Instance

	// The group that this instance belongs to, for commands that are for a
	// group.
	MultiInstanceGroup string `param:"multi_instance_group" default:""`

	// Whether the manager of several instances starts and stops this one.
	MultiInstanceEnable bool `param:"multi_instance_enable" default:"no"`

	// The commands of postfix(1) that start something: for an instance that
	// is not enabled they become "postfix check".
	PostmultiStartCommands string `param:"postmulti_start_commands" default:"start"`

	// The commands of postfix(1) that stop something: the instances get them
	// in reverse order, and those that are not enabled do not.
	PostmultiStopCommands string `param:"postmulti_stop_commands" default:"stop abort drain quick-stop"`

	// The commands of postfix(1) that are for running instances only: those
	// that are not enabled do not get them.
	PostmultiControlCommands string `param:"postmulti_control_commands" default:"reload flush"`
}
